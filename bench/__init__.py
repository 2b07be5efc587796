"""Measured runs. Each prints a ratio against a limit measured in the same run."""
