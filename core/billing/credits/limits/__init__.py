"""Credits for certain models or meters only, in accounts of their own beside the wallet."""
