"""Records that Redis forgets by itself, when their absolute end has passed by its own clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil.ports import Commit, SessionQuery
from counterfoil.stores.redis.commits import expires
from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.records import (
    NOW,
    SECOND,
    a_session,
    an_event,
    an_index,
    found,
    opened,
    revoke,
    rotate,
)
from valkeys import valkey_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from engines.valkey import ValkeyServer

pytestmark = pytest.mark.anyio
KEPT = {b"f", b"m", b"box", b"changes", b"trail", b"l", b"g", b"c"}  # and subjects, u:
OF_SUBJECTS = (b"u:", b"t:")


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with valkey_server() as server:
        yield server


@pytest.fixture
async def store(server: ValkeyServer) -> AsyncIterator[RedisStore]:
    with server.client() as console:
        console.flushall()
    store = RedisStore(server.url)
    yield store
    await store.close()


def keys_of(server: ValkeyServer) -> dict[bytes, int]:
    """What there is, but for its shard, and when it expires: -1 for never."""
    with server.client() as console:
        return {key.partition(b":")[2]: int(console.pexpiretime(key)) for key in console.keys("*")}


def soon(seconds: float = 1.0) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_record_and_what_leads_to_it_expire_at_the_absolute_end(
    server: ValkeyServer, store: RedisStore
) -> None:
    """An index at the latest end of what is in it, whatever came first; use and rotations change
    nothing of it."""
    early, late = a_session("early"), a_session("late", absolute_end=NOW + timedelta(days=3))
    for session in (late, early):
        await opened(store, session)
    await store.touch("early", NOW + SECOND)
    assert await rotate(store, await found(store, "early"), bytes([7]) * 32)
    kept = keys_of(server)
    assert kept[b"s:early"] == expires(early)
    for key in (b"s:late", b"us:user-1", b"cs:web", b"ends"):
        assert kept[key] == expires(late)
    await revoke(store, "late")
    await revoke(store, "early")
    assert keys_of(server)[b"ce:web"] == expires(late)
    await store.begin_epoch(now=NOW, reached=lambda position: position)
    assert all(
        expires(late) >= until > 0 for key, until in keys_of(server).items() if is_of_sessions(key)
    )


def is_of_sessions(key: bytes) -> bool:
    return key not in {*KEPT, b"leaps", b"cl"} and not key.startswith(OF_SUBJECTS)


async def test_what_expired_by_itself_is_absent_everywhere(store: RedisStore) -> None:
    """Also where its index is still there, because of another session that goes on."""
    session = a_session("brief", absolute_end=soon())
    session = session.with_index(await an_index(store), now=session.created_at)
    await opened(store, session, events=(an_event(session_id="brief"),))
    await opened(store, a_session("long"))
    await asyncio.sleep(1.1)
    assert await store.look_up("brief") is None
    _, own = await store.all_of_subject("user-1")
    for listed in (
        own,
        await store.sessions(SessionQuery()),
        await store.sessions(SessionQuery(client_id="web", live_at=NOW)),
        await store.sessions(SessionQuery(subject="user-1")),
    ):
        assert [each.id for each in listed] == ["long"]
    assert await store.sessions(SessionQuery(before="brief")) == []
    assert len(await store.trail()) == 1


async def test_nothing_of_a_session_is_left_after_it_was_swept(
    server: ValkeyServer, store: RedisStore
) -> None:
    """Of those that had expired before by themselves, and of those that had not."""
    for number in range(5):
        await opened(store, a_session(f"brief-{number}", absolute_end=soon(), client_id="brief"))
        await opened(store, a_session(f"long-{number}", subject=f"user-{number}"))
    await revoke(store, "brief-1")
    await revoke(store, "long-1")
    await asyncio.sleep(1.1)
    later = NOW + timedelta(days=9)
    while await store.sweep(now=later):
        pass
    left = {key for key in keys_of(server) if not key.startswith(OF_SUBJECTS)}
    assert left <= KEPT
    assert await store.sessions(SessionQuery()) == []


async def test_a_session_that_is_over_already_leaves_nothing(
    server: ValkeyServer, store: RedisStore
) -> None:
    assert await store.commit(Commit(sessions=(a_session(absolute_end=soon(-1)),)))
    assert await store.look_up("s-1") is None
    assert not [key for key in keys_of(server) if is_of_sessions(key)]
