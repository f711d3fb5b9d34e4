"""What a recipe leaves open: chosen by data, machine and budget before a run, and kept by the clock on its way."""
