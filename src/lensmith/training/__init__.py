"""The whole job: from pictures and a recipe to a run that was trained, measured and saved."""
