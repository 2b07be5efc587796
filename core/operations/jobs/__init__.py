"""The queue as operators see it."""
