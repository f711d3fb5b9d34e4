"""This machine: its facts (read without torch), the doctor's findings, the device, and choosing by timing."""
