"""The web console: a client of the HTTP API and nothing else."""
