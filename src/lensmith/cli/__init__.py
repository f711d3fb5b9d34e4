"""The command line: the only room that knows all the others. Each command imports its rooms when it runs."""

import time

BEGAN = time.time()
"""About when the process began: the cold clock starts here."""
