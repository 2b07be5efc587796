"""What two stacks can do, side by side, read from both graphs."""
