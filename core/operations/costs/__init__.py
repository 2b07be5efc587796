"""What the stacks cost: estimates from their recorded graphs."""
