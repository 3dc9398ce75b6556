"""Several processes on one study: on one host, by hand on many, or placed by Ray."""
