"""The measurements give what they promise; how long anything takes is no test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
CONTENDERS: Final = {
    "session": [
        "SELECT of its row (floor)",
        "Counterfoil.check, awaited",
        "BlockingCounterfoil.check",
    ],
    "known-token": [
        "look-up in a dict (floor)",
        "engine check_token, hybrid",
        "engine check_token, jwt",
        "Verifier.check, jwt",
        "PyJWT decode",
    ],
}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_quick_run_gives_a_ratio_to_the_floor_for_every_name() -> None:
    """`--quick --json` is one JSON object; the floor's ratio is 1, and everybody's is positive."""
    done = bench("--quick", "--json", *CONTENDERS)
    assert done.returncode == 0, done.stderr
    cases: dict[str, Any] = json.loads(done.stdout)["cases"]
    assert {name: [*case["ratios"]] for name, case in cases.items()} == CONTENDERS
    for name, case in cases.items():
        floor = case["ratios"][CONTENDERS[name][0]]
        assert (floor["best"], floor["median"]) == (1, 1)
        assert case["floor_seconds"]["name"] == CONTENDERS[name][0]
        assert 0 < case["floor_seconds"]["best"] <= case["floor_seconds"]["median"]
        assert all(min(ratio["best"], ratio["median"]) > 0 for ratio in case["ratios"].values())


def test_a_case_that_is_not_there_is_refused_with_those_that_are() -> None:
    """A misspelt name measures nothing, exits with 2 and names the cases."""
    done = bench("sesion")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no case sesion; choose from session, " in done.stderr


def test_a_quick_run_of_the_feed_judges_its_aims() -> None:
    """Parts of the feed's chapter run by name, against a server of their own, and say of each aim
    whether it was met; what a verifier may hold in memory does not depend on the machine."""
    done = bench("--quick", "--json", "feed-memory", "feed-traffic")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["cases"] == {}
    assert [*told["feed"]] == ["feed-memory", "feed-traffic"]
    [aim] = told["feed"]["feed-memory"]["aims"]
    assert (aim["most"], aim["verdict"]) == (4, "met")
    for figures in told["feed"]["feed-traffic"]["figures"].values():
        assert figures["sent"] > 0
        assert figures["received"] > 0


def test_a_quick_run_of_the_sweep_forgets_sessions_while_others_are_looked_up() -> None:
    """In both databases, at either pace; whoever lives is found all the while."""
    done = bench("--quick", "--json", "sweep")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert [*told["sweep"]] == ["sweep-sqlite", "sweep-postgres"]
    for part in told["sweep"].values():
        assert part["figures"]["swept"]["no sweep"] == 0
        assert part["figures"]["swept"]["as the server sweeps"] > 0
        assert part["figures"]["swept"]["as quickly as can be"] > 0
        assert len(part["aims"]) == 2


def test_an_aim_that_held_in_some_rounds_is_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure above the aim in every round is a miss only on a machine that nobody else used; a
    promise excuses nothing."""
    monkeypatch.syspath_prepend(ROOT)
    from bench.feed.findings import Aim

    quiet, loud = 0.01, 0.5
    assert Aim("p50", 5, [1, 5]).verdict(loud) == "met"
    assert Aim("p50", 5, [6, 7]).verdict(quiet) == "not met"
    assert Aim("p50", 5, [6, 4]).verdict(quiet) == "not resolved"
    assert Aim("p50", 5, [6, 7]).verdict(loud) == "not resolved"
    assert Aim("never above L", 5, [6, 4], always=True).verdict(loud) == "not met"
