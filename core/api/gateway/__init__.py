"""The gateway before the groups, where they run as services of their own."""
