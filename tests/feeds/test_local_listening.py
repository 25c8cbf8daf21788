"""The feed of a database server, which tells its processes of each other."""

from __future__ import annotations

import pytest

import live
from counterfoil import PostgresStore, RedisStore
from counterfoil.clock import SystemClock
from counterfoil.drive import drive
from counterfoil.feeds import local
from counterfoil.feeds.local import LocalFeed
from counterfoil.ports import Commit
from counterfoil.status_mirror import StatusMirror
from counterfoil.stores.memory import MemoryKeys
from postgresql import new_schema
from valkeys import empty_valkey


@pytest.mark.parametrize("kind", ["postgres", "valkey"])
def test_a_process_that_has_just_begun_hears_of_others(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens from its first read on, not only once nothing has happened for a while."""
    monkeypatch.setattr(local, "LIVELY", 3600)
    with new_schema() if kind == "postgres" else empty_valkey() as url:
        make = PostgresStore if kind == "postgres" else RedisStore
        here, there = make(url), make(url).blocking()
        feed = LocalFeed(here, StatusMirror(), SystemClock(), MemoryKeys())
        feed.rest = 3600
        try:
            feed.ensure()
            before = feed.position
            assert before is not None
            assert drive(there.commit(Commit(moves_feed=True)))
            live.until(lambda: feed.position != before)
        finally:
            feed.stop()
            for store in (here.blocking(), there):
                drive(store.close())
