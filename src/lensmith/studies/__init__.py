"""What takes an extra look at a finished model: run after it is saved and measured, within what time is left."""
