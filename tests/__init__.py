"""The tests. `conftest.py` says what a test may ask for; `support/` holds what stands behind it."""
