"""Somebody's repository, or a run of ours, run again: its claimed number is held against what came out."""
