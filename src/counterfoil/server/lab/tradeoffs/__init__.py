"""Experiments about what each strategy costs, and what it gives."""
