"""One seed is one history."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from simulation.planning import plan_of
from simulation.world import run

ROOT: Final = Path(__file__).resolve().parents[2]
SEEDS: Final = (3, 14)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_runs_of_a_seed_are_the_same(seed: int) -> None:
    """Line by line, and so have the same digest."""
    first, second = run(plan_of(seed)), run(plan_of(seed))
    assert first.trace.lines == second.trace.lines
    assert first.digest == second.digest
    assert len(first.trace.lines) > 100


def test_another_process_has_the_same_history() -> None:
    """Whatever addresses and hashes are there."""
    program = (
        "from simulation.planning import plan_of; from simulation.world import run;"
        f"print(run(plan_of({SEEDS[0]})).digest)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hashes in ("1", "2")
    }
    assert answers == {run(plan_of(SEEDS[0])).digest}


def test_real_signatures_change_nothing() -> None:
    """Quick ones stand in for them; what happens is the same."""
    plan = plan_of(SEEDS[0])
    assert run(plan, signatures="real").digest == run(plan).digest


def test_a_plan_follows_from_its_seed() -> None:
    """It is data: the same again, and another one for another seed."""
    assert plan_of(5) == plan_of(5)
    assert plan_of(5) != plan_of(6)
