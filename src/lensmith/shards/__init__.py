"""Tar files that hold many pictures each: where they lie, what is in them, and how it is read by place."""
