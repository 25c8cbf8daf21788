"""Issuer nodes, their store, the network and verifiers as one program under a simulated clock.

The code under test is the real one; time, the network, clocks and faults are simulated, and
everything follows from one seed. `python -m simulation --help` says how to run it;
docs/simulation.md says what it shows.
"""
