"""Somebody's repository, read and never run: what it asks for, what it claims, and what breaks on a new machine."""
