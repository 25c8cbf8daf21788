"""The simulation can fail: it finds the classic bugs of such designs."""

from __future__ import annotations

import pytest

from simulation.campaign import run_seeds
from simulation.planted import BUGS


@pytest.mark.parametrize("name", BUGS)
def test_a_classic_bug_is_caught(name: str) -> None:
    """Within so many seeds, each of which passes without it."""
    progress = run_seeds(range(BUGS[name].seeds), name)
    assert progress.failures, f"{BUGS[name].what}: not seen in {progress.seeds} seeds"
