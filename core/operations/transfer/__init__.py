"""Taking a whole installation elsewhere: what there is, in pieces, with digests; export, import, and the move."""
