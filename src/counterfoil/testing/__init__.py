"""For your tests: a clock that stands still, and the suites that every plug must pass.

The suites need pytest and anyio; `counterfoil.testing.clock` needs neither.
"""
