"""The same seeds with their records in a real database, while the clock stays simulated."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.drive import drive
from counterfoil.ports import Commit
from counterfoil.status_change import Position
from counterfoil.stores.redis import place, scripts
from counterfoil.stores.statements import commits
from counterfoil.subject import ClientState
from counterfoil.testing.records import a_session
from engines.postgres import NotHere
from postgresql import URL, do_without
from simulation.campaign import ANOTHER_HISTORY, outcome_of, run_seeds
from simulation.records import POSTGRES, SQLITE, VALKEY, at_hand, records

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = ClientState(client_id="web")
SEEDS = {SQLITE: range(12), POSTGRES: range(25, 37), VALKEY: range(25, 37)}


@pytest.fixture(scope="module", params=SEEDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def where(kind: str) -> Iterator[str]:
    if kind == POSTGRES and (given := os.environ.get(URL)):
        yield given
        return
    try:
        with at_hand(kind) as where:
            yield where
    except NotHere as why:
        do_without(str(why))


def test_every_promise_holds_and_nothing_is_otherwise_than_in_memory(kind: str, where: str) -> None:
    """Sign-ins, refreshes, changed claims, suspensions, revocations, sweeps and restores, each call
    made of the store itself: the invariants hold, and line by line it is the same history."""
    progress = run_seeds(SEEDS[kind], where=where)
    assert progress.failures == [], f"make simulate ARGS='--store {kind}' tells how to see it"
    assert progress.counts["acknowledgements"] > 50
    assert progress.counts["fault restore"]


def test_a_store_that_does_otherwise_is_found(
    kind: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that writes a person's record whoever was faster, for example: within a few seeds."""
    if kind == VALKEY:
        monkeypatch.setattr(place, "script", without_a_look)
    write = commits._write_subject  # noqa: SLF001 - a bug is planted there

    async def written(*given: Any) -> bool:
        await write(*given)
        return True

    monkeypatch.setattr(commits, "_write_subject", written)
    failures = (outcome_of(seed, where=where)[1].failure for seed in range(12))
    assert any(failure == ANOTHER_HISTORY for failure in failures)


def without_a_look(name: str) -> scripts.Script:
    """The script, which takes any version of a subject's record for the one that is expected."""
    looks = "if version_of(text, now) ~= tonumber(subject[2]) - 1 then return 0 end"
    text = scripts.script(name).text
    assert looks in text or name != "commit"
    text = text.replace(looks, "")
    return scripts.Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def test_a_copy_that_is_put_back_is_as_it_was(where: str) -> None:
    """For a face that was there before and for one that is new; numbers are given again."""
    with records(where) as kept:
        face = kept.face()
        before = kept.position
        saved = kept.copied()
        for _ in range(2):
            commit = Commit(sessions=(a_session(),), clients=(WEB.ended(),), moves_feed=True)
            assert drive(face.commit(commit))
            assert kept.position == Position(before.epoch, before.number + 1)
            kept.put_back(saved)
            assert kept.position == before
            for each in (face, kept.face()):
                assert drive(each.look_up("s-1")) is None
                assert drive(each.client("web")) == WEB
