"""The schema's history: `cloudbill migrate` brings a database to the newest version."""
