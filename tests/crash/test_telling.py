"""What a campaign tells."""

from __future__ import annotations

from pathlib import Path

from crash.campaign import Progress
from crash.held import Held
from crash.telling import Teller, failed


def test_progress_says_how_fast_and_how_long() -> None:
    """And what was acknowledged, what nobody knows, and how often something was killed."""
    progress = Progress(rounds=20)
    counts = {"acknowledged sign-ins": 70, "acknowledged rotations": 1900, "unknown rotations": 4}
    progress.counts.update(counts | {"killed node A": 12, "killed PostgreSQL": 13})
    assert Teller(200).line(progress, 100.0) == (
        "20 of 200 rounds, 5.0 s each, 15 min left; acknowledged 70 sign-ins, 1,900 rotations,"
        " 0 revocations; 4 unknown, 25 kills"
    )


def test_what_fails_is_told_with_its_seed_and_its_history() -> None:
    """And where the logs are."""
    held = Held("ann/api-3", "api")
    held.history.append("round 2, 7.000: sign in, at node A: 201 after 300 ms")
    progress = Progress(rounds=2, failure=held.violated("is missing"), logs=Path("logs"))
    assert [*failed(progress, 7)] == [
        "\nRound 2 of seed 7 fails. ann/api-3: is missing",
        "  round 2, 7.000: sign in, at node A: 201 after 300 ms",
        "The logs of that run are in logs.",
    ]
    assert [*failed(Progress(rounds=2), 7)] == []
