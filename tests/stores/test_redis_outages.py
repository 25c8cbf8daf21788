"""What becomes of calls while a Redis is away, says nothing, or takes nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from coming_back import count_turns, lost_when_killed, until, until_back
from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.ports import Commit
from counterfoil.stores import lanes
from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.records import NOW, a_session, found, opened, revoke
from forking import GOOD, said_after_forks
from valkeys import empty_valkey, valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def own_server() -> Iterator[ValkeyServer]:
    with valkey_server() as server:
        yield server


@pytest.fixture
def server(own_server: ValkeyServer) -> Iterator[ValkeyServer]:
    with own_server.client() as console:
        console.flushall()
    yield own_server
    own_server.resume()
    if own_server.process is None or own_server.process.poll() is not None:
        own_server.start()


@pytest.fixture
def store(server: ValkeyServer) -> Iterator[RedisStore]:
    store = RedisStore(server.url)
    yield store
    server.resume()
    drive(store.close())


async def test_a_server_that_was_started_anew_meanwhile_is_not_noticed(
    server: ValkeyServer, store: RedisStore
) -> None:
    """Every connection is gone, and so are the scripts; neither reads nor writes are refused."""
    first = await opened(store, a_session())
    server.stop()
    server.start()
    assert await store.look_up("s-1") == first
    server.kill()
    server.start()
    await opened(store, a_session("s-2"))
    assert await found(store, "s-2")
    with server.client() as console:
        console.script_flush()
    await revoke(store, "s-2")
    assert (await found(store, "s-2")).session.ended_at == NOW


async def test_a_server_that_is_gone_refuses_at_once_and_recovers(
    server: ValkeyServer, store: RedisStore
) -> None:
    """Every verb says that it cannot know; nothing has to be started again for it to go on."""
    first = await opened(store, a_session())
    server.kill()
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(StoreUnavailable):
            await store.look_up("s-1")
        with pytest.raises(StoreUnavailable):
            await opened(store, a_session("s-2"))
        with pytest.raises(StoreUnavailable):
            await store.feed(None, now=NOW)
        with pytest.raises(StoreUnavailable):
            drive(store.blocking().look_up("s-1"))
    assert time.monotonic() - began < 2
    server.start()
    assert await until_back(store) < 1
    assert await store.look_up("s-1") == first


async def test_a_server_that_says_nothing_is_waited_for_once(
    server: ValkeyServer, store: RedisStore
) -> None:
    """A thread that does nothing else finds out whether it is back, and everybody is told at once.
    The event loop goes on meanwhile, also where it asks for a hint."""
    await opened(store, a_session())
    store.wait(store.hint(), 0.1)
    server.pause()

    async def refused() -> float:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.look_up("s-1")
        return time.monotonic() - began

    async with count_turns() as turns:
        began = time.monotonic()
        assert max(await asyncio.gather(*(refused() for _ in range(100)))) < 4
        store.hint()
        passed = time.monotonic() - began
        assert turns() > 50 * passed
    for _ in range(20):
        assert max(await asyncio.gather(*(refused() for _ in range(20)))) < 0.1
        await asyncio.sleep(0.05)
    server.resume()
    assert await until_back(store) < 1


async def test_a_listener_that_lost_its_server_stops_no_loop(
    server: ValkeyServer, store: RedisStore
) -> None:
    """It is asked in the loop. What it connects anew it connects in a thread that waits for it."""
    await asyncio.to_thread(store.wait, store.hint(), 0.1)
    hint = store.hint()
    server.kill()
    server.start()
    server.pause()
    began = time.monotonic()
    assert store.hint() != hint
    assert time.monotonic() - began < 0.1
    server.resume()
    await asyncio.sleep(1)
    await asyncio.to_thread(store.wait, store.hint(), 1)
    hint, other = store.hint(), RedisStore(server.url)
    assert await other.commit(Commit(moves_feed=True))
    assert await asyncio.to_thread(store.wait, hint, 5)
    await other.close()


async def test_a_commit_whose_answer_was_lost_is_not_acknowledged(
    server: ValkeyServer, store: RedisStore
) -> None:
    """It was written, or is written when the server goes on: its caller asks again, and is told
    that somebody was faster, once."""
    await opened(store, a_session())
    state = (await store.subject("user-1")).moved()
    commit = Commit(sessions=(a_session("s-2"),), subjects=(state,), moves_feed=True)
    before = (await store.feed(None, now=NOW)).position.number
    server.pause()
    with pytest.raises(StoreUnavailable):
        await store.commit(commit)
    server.resume()
    await until_back(store)
    assert await store.commit(commit) is False
    assert await found(store, "s-2")
    assert (await store.feed(None, now=NOW)).position.number == before + 1


async def test_memory_that_is_short_is_a_store_that_takes_nothing(
    server: ValkeyServer, store: RedisStore
) -> None:
    """Nothing is evicted and nothing is half done; what is known can be read."""
    first = await opened(store, a_session())
    with server.client() as console:
        console.config_set("maxmemory", 1)
        try:
            for _ in range(20):
                with pytest.raises(StoreUnavailable, match="OutOfMemory"):
                    await opened(store, a_session("s-2"))
                assert await store.look_up("s-1") == first
                assert await store.look_up("s-2") is None
                assert await store.sweep(now=NOW) == 0
        finally:
            console.config_set("maxmemory", 0)
    await opened(store, a_session("s-2"))


async def test_a_snapshot_that_fails_is_a_store_that_does_not_answer(
    server: ValkeyServer, store: RedisStore
) -> None:
    """A server that was told to make them runs no script meanwhile (MISCONF), and PING fails too.
    It is said in its word, and over as soon as that is mended."""
    first = await opened(store, a_session())
    with server.client() as console:
        console.config_set("save", "1 1")
        own = server.folder / "dump.rdb"
        own.mkdir()  # no file can take its place
        (own / "kept").touch()
        try:
            await refuses_writes(store)
            for call in (
                opened(store, a_session("s-2")),
                store.look_up("s-1"),
                store.feed(None, now=NOW),
            ):
                with pytest.raises(StoreUnavailable, match="MISCONF"):
                    await call
        finally:
            (own / "kept").unlink()
            own.rmdir()
            console.config_set("save", "")
    assert await store.look_up("s-1") == first
    assert await store.look_up("s-2") is None
    await opened(store, a_session("s-2"))


async def refuses_writes(store: RedisStore) -> None:
    """Until it has found out that it cannot make its snapshot."""
    for number in range(500):
        await asyncio.sleep(0.05)
        try:
            await opened(store, a_session(f"before-{number}", subject="user-2"))
        except StoreUnavailable:
            return
    pytest.fail("it goes on taking writes")


async def test_a_server_that_became_a_replica_answers_nothing(
    server: ValkeyServer, store: RedisStore
) -> None:
    """What it reads may be old, and what is read is the truth here."""
    first = await opened(store, a_session())
    await store.feed(None, now=NOW)
    position = (await store.feed(None, now=NOW)).position
    with server.client() as console:
        console.execute_command("REPLICAOF", "127.0.0.1", "9")
        try:
            for _ in range(5):
                for call in (
                    store.look_up("s-1"),
                    store.subject("user-1"),
                    store.feed(position, now=NOW),
                    opened(store, a_session("s-2")),
                ):
                    with pytest.raises(StoreUnavailable, match="ReadOnly"):
                        await call
        finally:
            console.execute_command("REPLICAOF", "NO", "ONE")
    assert await store.look_up("s-1") == first
    assert (await store.feed(position, now=NOW)).position == position


async def test_a_store_that_was_emptied_knows_nobody_and_says_so(
    server: ValkeyServer, store: RedisStore
) -> None:
    """Absent would be an answer: who holds a handle would be signed out, and a suspended one not
    suspended."""
    await opened(store, a_session())
    with server.client() as console:
        console.flushall()
    for call in (
        store.look_up("s-1"),
        store.subject("user-1"),
        store.client("web"),
        store.all_of_subject("user-1"),
        store.touch("s-1", NOW),
        store.commit(Commit(sessions=(a_session("s-2"),))),
        store.feed(None, now=NOW),
    ):
        with pytest.raises(StoreUnavailable):
            await call


async def test_what_was_acknowledged_survives_the_death_of_every_process(
    server: ValkeyServer, store: RedisStore
) -> None:
    """Killed while many write: whatever was answered with True is there."""
    assert await lost_when_killed(server, store) == []


async def test_more_than_can_wait_are_refused(
    server: ValkeyServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue without an end is an outage for everybody, a little later."""
    monkeypatch.setattr(lanes, "MOST_WAITING", 20)
    server.pause()
    under_way = [asyncio.ensure_future(store.client("web")) for _ in range(4)]
    await asyncio.sleep(0.2)
    waiting = [asyncio.ensure_future(store.client("web")) for _ in range(20)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="Too many"):
        await store.client("web")
    server.resume()
    assert len(await asyncio.gather(*under_way, *waiting)) == 24


async def test_who_is_under_way_when_it_is_closed_is_answered(
    server: ValkeyServer, store: RedisStore
) -> None:
    """What was queued is done, what comes later is refused, and nobody waits for ever."""
    await opened(store, a_session())
    calls = [asyncio.ensure_future(store.look_up("s-1")) for _ in range(200)]
    await asyncio.sleep(0)
    await store.close()
    assert all(await asyncio.wait_for(asyncio.gather(*calls), 5))
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.look_up("s-1")
    for _ in range(2):
        await store.close()
    server.kill()
    await store.close()


async def test_a_store_is_closed_while_its_server_is_away(
    server: ValkeyServer, store: RedisStore
) -> None:
    """And leaves no thread behind that asks for it for ever."""
    await opened(store, a_session())
    server.kill()
    with pytest.raises(StoreUnavailable):
        await store.look_up("s-1")
    await store.close()
    name = "counterfoil-store-looks"
    await until(lambda: all(name not in thread.name for thread in threading.enumerate()))


@pytest.mark.parametrize("cluster", [False, True])
def test_a_store_that_was_used_before_a_fork_is_good_on_both_sides(*, cluster: bool) -> None:
    """Preforking servers build it in the parent. Neither side's connections are the other's, and a
    child that closes its own closes no other."""
    with empty_valkey(cluster=cluster) as url:
        assert said_after_forks("RedisStore", url) == GOOD
