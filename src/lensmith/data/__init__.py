"""Labelled pictures: folders, tables, named sets and the user's own, and how they are split."""
