"""Passwords: which may be chosen, how they are kept, how they are compared."""
