"""The databases that tests and trials start for themselves, and stop, kill and pause."""
