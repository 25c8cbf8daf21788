"""A process that gets no more threads for a while: what needs one is refused, and comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import live
from counterfoil import (
    Client,
    Counterfoil,
    Lifetime,
    Opened,
    PostgresStore,
    SessionStrategy,
    SqliteStore,
)
from counterfoil.drive import drive
from counterfoil.errors import Overloaded, StoreUnavailable, Unavailable
from counterfoil.server.passwords.argon2id import CHEAPEST
from counterfoil.server.passwords.hashing import PasswordHasher
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.redis.store import RedisStore
from limits import no_more_threads
from postgresql import new_schema
from scenes import KEYS
from valkeys import valkey_server

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.ports import Store


def engine(store: Store) -> Counterfoil:
    return Counterfoil(
        store=store, issuer="https://app.example", strategy=SessionStrategy(), keys=KEYS
    )


async def goes_on(store: Store) -> list[BaseException]:
    """Whoever is refused meanwhile has no session afterwards, all others have theirs."""
    auth = engine(store)
    with no_more_threads():
        told = await asyncio.gather(*(auth.open("ann") for _ in range(8)), return_exceptions=True)
    opened = [each for each in told if isinstance(each, Opened)]
    refused = [each for each in told if isinstance(each, Unavailable)]
    assert len(opened) + len(refused) == len(told)
    opened.append(await auth.open("ann"))
    kept = {session.id for session in await auth.sessions("ann")}
    assert kept == {each.session.id for each in opened}
    await auth.close()
    return [*refused]


async def is_asked(auth: Counterfoil) -> bool:
    with suppress(Unavailable):
        await auth.open("ann")
        return True
    return False


async def test_sqlite_goes_on_afterwards(tmp_path: Path) -> None:
    """It begins with its writer: without there is no store, and nothing is in the way later."""
    file = tmp_path / "counterfoil.db"
    with no_more_threads():
        for _ in range(3):
            with pytest.raises(Unavailable):
                SqliteStore(file)
    assert not await goes_on(SqliteStore(file))


async def test_postgresql_goes_on_afterwards() -> None:
    """Threads hold its connections; there are none at first."""
    with new_schema() as url:
        assert await goes_on(PostgresStore(url))


async def test_a_server_of_redis_that_came_back_meanwhile_is_asked_afterwards() -> None:
    """Nobody has looked at it before, so nobody asks it before."""
    with valkey_server() as server:
        store = RedisStore(server.url)
        auth = engine(store)
        await auth.open("ann")
        server.kill()
        with no_more_threads():
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await auth.open("ann")
            server.start()
            with pytest.raises(Unavailable):
                await auth.open("ann")
        while not await is_asked(auth):  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0.05)
        await auth.close()


async def test_what_is_done_aside_and_passwords_go_on_afterwards() -> None:
    """Also where a thread of theirs had not begun."""
    hasher = PasswordHasher(CHEAPEST, threads=1)
    with new_schema() as url:
        store = PostgresStore(url)
        with no_more_threads():
            for _ in range(3):
                with pytest.raises(Overloaded):
                    await store.aside(int)
                with pytest.raises(Overloaded):
                    await hasher.hash(live.PASSWORD)
        assert await store.aside(int) == 0
        assert await hasher.hash(live.PASSWORD)
        assert hasher.waiting == 0
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.aside(int)
    hasher.close()


def test_a_server_is_ready_again_and_learns_of_clients(tmp_path: Path) -> None:
    """Asked whether it is ready it says 503 meanwhile; it reads its clients anew as before."""
    with live.serving(tmp_path / "data") as site:
        person = site.person()
        with no_more_threads():
            for _ in range(3):
                assert site.call("GET", "/readyz").code == "overloaded"
            live.until(lambda: person.try_sign_in("late").code == "client_unknown")
        assert site.call("GET", "/readyz").status == 200
        store = SqliteStore(site.data / "counterfoil.db").blocking()
        late = Client(client_id="late", strategy="hybrid", manage=True)
        rows = ClientRows(store.rows, Lifetime())
        assert drive(rows.add(late, at=datetime.now(UTC), own_lifetime=False))
        drive(store.close())
        live.until(lambda: person.try_sign_in("late").status == 201)
