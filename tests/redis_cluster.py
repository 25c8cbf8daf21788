"""A cluster of three masters with a session in each shard, for who takes some of it away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.stores.redis.shards import shard_of
from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.records import NOW, a_session, an_index, opened
from engines.valkey import url_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.ports import Found
    from counterfoil.status_change import FeedRead, Position
    from engines.valkey import ValkeyServer

SHARDS: Final = 16


def in_each_shard(name: str) -> list[str]:
    return [
        next(each for n in count() if shard_of(each := f"{name}-{n}", SHARDS) == shard)
        for shard in range(SHARDS)
    ]


SESSION, SUBJECT = in_each_shard("s"), in_each_shard("user")


@contextlib.contextmanager
def emptied(servers: list[ValkeyServer]) -> Iterator[RedisStore]:
    """A store at a cluster in which there is nothing, and which is whole again afterwards."""
    for server in servers:
        with server.client() as console:
            console.flushall()
    store = RedisStore(url_of(servers))
    try:
        yield store
    finally:
        for server in servers:
            server.resume()
            if server.process is None or server.process.poll() is not None:
                server.start()
        for server in servers:
            until_takes_part(server)
        drive(store.close())


def until_takes_part(server: ValkeyServer) -> None:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        with server.client() as console:
            told: dict[str, str] = console.execute_command("CLUSTER INFO")
        if told["cluster_state"] == "ok":
            return
        time.sleep(0.02)
    pytest.fail("it does not take part again")


async def one_in_each_shard(store: RedisStore) -> list[Found]:
    """Each of which verifiers have heard, so that its end moves the feed."""
    kept = []
    for session_id, subject in zip(SESSION, SUBJECT, strict=True):
        session = a_session(session_id, subject=subject)
        session = session.with_index(await an_index(store), now=NOW)
        kept.append(await opened(store, session))
    return kept


async def until_fed(store: RedisStore, position: Position | None) -> FeedRead:
    give_up = time.monotonic() + 10
    while True:
        try:
            return await store.feed(position, now=NOW)
        except StoreUnavailable:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
