"""What a recorded graph costs a month, line by line, offline. Pure: a graph and prices in, lines out."""
