"""`python -m simulation`: what it tells, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from simulation.campaign import Failure, Progress
from simulation.telling import Teller, failed

ROOT: Final = Path(__file__).resolve().parents[2]


def simulation(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulation", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_seeds_that_pass_are_counted() -> None:
    """What happened in them is told, and the exit code is 0."""
    done = simulation("--seeds", "4", "--first", "7", "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 seeds in ")
    for what in ("checks passed", "checks refused", "acknowledgements", "polls"):
        assert what in done.stdout
    assert done.stdout.endswith("No invariant failed.\n")


def test_a_seed_that_fails_is_named_with_how_to_see_it() -> None:
    """The exit code is 1, and the command that is told shows the history of a smaller plan."""
    done = simulation("--seeds", "5", "--processes", "1", "--planted", "index-again")
    assert done.returncode == 1, done.stdout
    command = done.stdout.rpartition("python -m simulation ")[2].split()
    assert command[0] == "--replay"
    again = simulation(*command)
    assert again.returncode == 1
    assert "Leaving items out" in again.stdout
    assert "The plan:" in again.stdout
    assert "sign_in(slot=" in again.stdout
    assert "VIOLATES" in again.stdout


def test_a_seed_that_passes_can_be_seen_too() -> None:
    """Its plan, and what came of it."""
    done = simulation("--replay", "7")
    assert done.returncode == 0, done.stderr
    assert "The plan:" in done.stdout
    assert "is compared" in done.stdout


def test_seeds_may_keep_their_records_in_a_real_database() -> None:
    """Which is made for them. Bugs are planted in the store in memory, so that both is refused."""
    done = simulation("--seeds", "2", "--store", "sqlite", "--processes", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 seeds in ")
    both = simulation("--planted", "late", "--store", "sqlite")
    assert both.returncode == 2
    assert "planted in the store in memory alone" in both.stderr


def test_progress_says_how_fast_and_how_long() -> None:
    """And what has happened so far."""
    progress = Progress(seeds=50)
    progress.counts.update({"checks passed": 700, "checks 503": 300, "acknowledgements": 9})
    progress.counts.update({"fault cut": 4, "fault crash": 2})
    assert Teller(1000).line(progress, 10.0) == (
        "50 of 1,000 seeds, 5.0/s, 3 min left; 1,000 checks, 9 acknowledgements, 6 faults"
    )


@pytest.mark.parametrize(
    ("bug", "store", "more"),
    [("", "memory", ""), ("late", "memory", " --planted late"), ("", "sqlite", " --store sqlite")],
)
def test_what_fails_is_told_with_its_seed(bug: str, store: str, more: str) -> None:
    """The exact command, with the bug that was put in, or where the records were."""
    assert [*failed([Failure(12, "it passes")], bug, store)] == [
        "Seed 12 fails: it passes",
        f"To see it: python -m simulation --replay 12{more}",
    ]
