"""Somebody's repository: read, planned, built, run, and its claimed numbers held against what came out."""
