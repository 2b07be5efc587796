"""Failover: another server takes the primary's place, and nobody writes in two places."""
