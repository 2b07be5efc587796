"""What was deployed or recorded, when, from what, and what it cost then."""
