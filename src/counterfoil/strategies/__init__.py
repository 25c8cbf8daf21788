"""What travels, and where it is checked: one file per strategy, each with its declared lag."""
