"""This machine: its facts (read without torch), the torch builds there are, the device, and choosing by timing."""
