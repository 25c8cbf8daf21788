"""What becomes of calls while PostgreSQL is away, slow, or in the way of itself."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from coming_back import count_turns, lost_when_killed, until, until_back
from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.ports import Commit
from counterfoil.stores import lanes, postgres_connection, postgres_line, postgres_rows
from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.records import a_session, found, opened
from postgresql import new_schema, postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.postgres import PostgresServer

pytestmark = pytest.mark.anyio
CANCEL_WAITING = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def server(own_server: PostgresServer) -> Iterator[PostgresServer]:
    yield own_server
    own_server.resume()
    if own_server.process is None or own_server.process.poll() is not None:
        own_server.start()


@pytest.fixture
def store(server: PostgresServer) -> Iterator[PostgresStore]:
    with new_schema(server.url) as url:
        store = PostgresStore(url)
        yield store
        server.resume()
        drive(store.close())


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    for module in (postgres_connection, postgres_line, postgres_rows):
        monkeypatch.setattr(module, "PATIENCE", 0.2)


async def test_a_server_that_was_started_anew_meanwhile_is_not_noticed(
    server: PostgresServer, store: PostgresStore
) -> None:
    """Every connection is gone, and nothing was under way: neither reads nor writes are refused."""
    first = await opened(store, a_session())
    server.stop()
    server.start()
    assert await store.look_up("s-1") == first
    server.kill()
    server.start()
    await opened(store, a_session("s-2"))
    assert await found(store, "s-2")


async def test_a_server_that_is_gone_refuses_at_once_and_recovers(
    server: PostgresServer, store: PostgresStore
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
            drive(store.blocking().look_up("s-1"))
    assert time.monotonic() - began < 5
    server.start()
    assert await until_back(store, within=5) < 1
    assert await store.look_up("s-1") == first


@pytest.mark.usefixtures("brief")
async def test_a_server_that_says_nothing_is_waited_for_once(
    server: PostgresServer, store: PostgresStore
) -> None:
    """One job at a time finds out whether it is back, and all others are told at once. The event
    loop goes on meanwhile."""
    await opened(store, a_session())
    server.pause()
    began = time.monotonic()

    async def look_up() -> None:
        with pytest.raises(StoreUnavailable):
            await store.look_up("s-1")

    async with count_turns() as turns:
        await asyncio.gather(*(look_up() for _ in range(100)))
        first = time.monotonic() - began
        assert first < 3
        assert turns() > 50 * first
    await asyncio.sleep(2 * lanes.REST)
    looks = [asyncio.ensure_future(look_up())]
    await asyncio.sleep(0.4)
    looks += [asyncio.ensure_future(look_up()) for _ in range(100)]
    await asyncio.wait(looks[1:], timeout=0.2)
    assert all(look.done() for look in looks[1:])
    await asyncio.gather(*looks)
    server.resume()
    assert (
        await until_back(store, within=5) < 4
    )  # the one that looked may still wait to be connected


@pytest.mark.usefixtures("brief")
async def test_what_waits_for_a_lock_gives_up(server: PostgresServer, store: PostgresStore) -> None:
    """Somebody holds the rows, an administrator in a console for example: that is said, and nothing
    was written."""
    first = await opened(store, a_session())
    with psycopg.connect(server.url) as console:
        console.execute(f"LOCK TABLE {schema_of(store)}.cf_sessions")
        with pytest.raises(StoreUnavailable, match="QueryCanceled"):
            await opened(store, a_session("s-2"))
    assert await store.look_up("s-2") is None
    assert await store.look_up("s-1") == first


async def test_a_database_that_takes_no_writes_is_no_store(
    server: PostgresServer, store: PostgresStore
) -> None:
    """A primary that became a standby, or was set to read only: nothing of it can be relied on."""
    await opened(store, a_session())
    with psycopg.connect(server.url, autocommit=True) as console:
        console.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        console.execute("SELECT pg_reload_conf()")
        try:
            await refused_soon(store)
        finally:
            console.execute("SET default_transaction_read_only = off")
            console.execute("ALTER SYSTEM RESET default_transaction_read_only")
            console.execute("SELECT pg_reload_conf()")
    await until_back(store, within=5)
    await until_writes(store)


async def test_tables_that_are_gone_are_a_store_that_is_away(
    server: PostgresServer, store: PostgresStore
) -> None:
    """Somebody puts a copy in place, table by table: 503, and not a failure of ours."""
    await opened(store, a_session())
    with psycopg.connect(server.url, autocommit=True) as console:
        name = schema_of(store)
        console.execute(f"ALTER TABLE {name}.cf_sessions RENAME TO elsewhere")
        with pytest.raises(StoreUnavailable):
            await store.look_up("s-1")
        console.execute(f"ALTER TABLE {name}.elsewhere RENAME TO cf_sessions")
    assert await store.look_up("s-1") is not None


async def test_a_commit_that_no_standby_has_is_not_acknowledged(
    server: PostgresServer, store: PostgresStore
) -> None:
    """PostgreSQL stops waiting when it is told to, and says COMMIT with a warning: the standby that
    may take over has not got it."""
    await opened(store, a_session())
    with psycopg.connect(server.url, autocommit=True) as console:
        console.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        console.execute("SELECT pg_reload_conf()")
        try:
            await asyncio.sleep(0.2)
            await close_connections(store)
            await store.touch("s-1", a_session().last_seen_at)  # which waits for nobody
            writing = asyncio.ensure_future(opened(store, a_session("s-2")))
            await until(lambda: bool(console.execute(CANCEL_WAITING).fetchall()))
            with pytest.raises(StoreUnavailable, match="did not say whether it has committed"):
                await writing
            assert await store.look_up("s-2") is not None
        finally:
            console.execute("ALTER SYSTEM RESET synchronous_standby_names")
            console.execute("SELECT pg_reload_conf()")


async def test_what_was_acknowledged_survives_the_death_of_every_process(
    server: PostgresServer, store: PostgresStore
) -> None:
    """Killed while many write: whatever was answered with True is there."""
    assert await lost_when_killed(server, store, within=5) == []


async def test_more_than_can_wait_are_refused(store: PostgresStore, monkeypatch: Any) -> None:
    """A queue without an end is an outage for everybody, a little later."""
    monkeypatch.setattr(lanes, "MOST_WAITING", 20)
    held = threading.Event()
    lane = store.rows.database.lanes["work"]
    blockers = [hold(store, held) for _ in range(4)]
    await asyncio.sleep(0)
    await until(lambda: not lane.waiting)
    waiting = [asyncio.ensure_future(store.client("web")) for _ in range(20)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="Too many"):
        await store.client("web")
    held.set()
    assert len(await asyncio.gather(*waiting, *blockers)) == 24


def hold(store: PostgresStore, held: threading.Event) -> asyncio.Future[bool]:
    """Keeps a connection busy."""

    async def body(_: Any) -> bool:
        return held.wait(10)

    return asyncio.ensure_future(store.rows.snapshot(body))


def schema_of(store: PostgresStore) -> str:
    [(name,)] = drive(store.blocking().rows.all("SELECT current_schema()"))
    return str(name)


async def close_connections(store: PostgresStore) -> None:
    """Has new ones made, which know what is set now."""
    sql = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'counterfoil' AND pid <> pg_backend_pid()"
    )
    await store.rows.all(sql)


async def refused_soon(store: PostgresStore) -> None:
    for _ in range(500):
        try:
            await opened(store, a_session("s-2"))
        except StoreUnavailable:
            return
        await asyncio.sleep(0.01)
    pytest.fail("it goes on writing")


async def until_writes(store: PostgresStore) -> None:
    for number in range(500):
        try:
            await store.commit(Commit(sessions=(a_session(f"again-{number}"),)))
        except StoreUnavailable:
            await asyncio.sleep(0.01)
        else:
            return
    pytest.fail("it does not write again")
