"""Experiments about what a thief can do with each strategy, and what stands against it."""
