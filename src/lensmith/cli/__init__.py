"""The command line: the only room that knows all the others. Each command imports its rooms when it runs."""
