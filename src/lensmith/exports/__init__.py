"""A bundle as one file for other programs, asked in a process of its own before it gets its name."""
