"""A bundle over HTTP: requests gathered into batches, with limits on size, time and number."""
