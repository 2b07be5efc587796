"""What the clouds' own price lists say, in the form of our snapshots."""
