"""Backups of an installation on one machine: base backups, streamed WAL, what they hold and whether it is whole."""
