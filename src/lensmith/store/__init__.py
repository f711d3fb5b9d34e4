"""Decoded once: pictures of a data set as uint8, kept under a fingerprint, in memory or mapped from the disk."""
