"""What is wrong with a machine, why, and the commands that mend it: facts in, findings out."""
