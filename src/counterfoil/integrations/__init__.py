"""Counterfoil in a framework, each in its own file; none is imported before it is asked for."""
