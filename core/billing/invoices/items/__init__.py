"""Lines that people write: waiting for the run, on a draft, and withdrawn again."""
