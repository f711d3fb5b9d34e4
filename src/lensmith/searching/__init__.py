"""Sweeps: which recipe is best for some pictures, and whether that is more than luck."""
