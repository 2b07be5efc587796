"""A running installation moved from one PostgreSQL to another, with a pause of seconds and a way back."""
