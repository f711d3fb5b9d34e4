"""Many pictures asked about: answers in their order, into a file that goes on, sorted by label."""
