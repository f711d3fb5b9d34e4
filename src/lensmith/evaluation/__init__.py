"""Metrics with intervals, on outputs that were gathered once."""
