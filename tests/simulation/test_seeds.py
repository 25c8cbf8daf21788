"""Scenarios that follow from seeds, two hundred of them here and as many as one likes by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from simulation.campaign import run_seeds

AT_ONCE = 25
SEEDS = range(0, 200, AT_ONCE)


@pytest.mark.parametrize("first", SEEDS)
def test_every_promise_holds(first: int) -> None:
    """Nothing passes that was promised not to, nobody honest is refused, and all converge."""
    progress = run_seeds(range(first, first + AT_ONCE))
    assert progress.failures == [], "make simulate tells how to see a failing seed"
    assert progress.seeds == AT_ONCE
    counts = Counter(progress.counts)
    assert counts["checks passed"] > 1000
    assert counts["checks refused"] > 1000
    assert counts["checks 503"] > 100
    assert counts["acknowledgements"] > 100
    assert sum(counts[name] for name in counts if name.startswith("fault")) > 50
