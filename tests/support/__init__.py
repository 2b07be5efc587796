"""What stands behind the fixtures: servers, databases, callers, processes."""
