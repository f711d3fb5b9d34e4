"""The run directory as a value: its paths, recipe, facts, predictions and looks. Imports no torch."""
