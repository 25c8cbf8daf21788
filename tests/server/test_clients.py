from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil import Client, Lifetime, PostgresStore
from counterfoil.clock import SystemClock
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.server.clients import RegisteredClients
from counterfoil.server.composition import TABLES
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate
from counterfoil.testing.clock import FrozenClock
from postgresql import new_schema

NOW = datetime.now(UTC)


@pytest.fixture
def rows(tables: Any) -> ClientRows:
    return ClientRows(tables.rows, Lifetime())


def add(rows: ClientRows, client_id: str) -> None:
    client = Client(client_id=client_id, strategy="jwt")
    assert drive(rows.add(client, at=NOW, own_lifetime=False))


def test_a_client_that_was_just_added_is_known_when_it_is_asked_for(rows: ClientRows) -> None:
    """Whoever adds one from the command line signs in with it at once."""
    clients = RegisteredClients(rows, FrozenClock())
    add(rows, "kiosk")
    assert clients["kiosk"].audience == "kiosk"
    with pytest.raises(KeyError):
        clients["nothing"]


async def test_across_a_network_who_can_waits_and_others_learn_of_it_soon(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No event loop reads it. Who signs in is never told that a client is unknown that was just
    registered; all that go by clients know it shortly after, whether or not anybody asks, and also
    where what was read in between could not be used."""
    with new_schema() as url:
        await learns_of_clients(PostgresStore(url), caplog)


async def learns_of_clients(store: PostgresStore, caplog: pytest.LogCaptureFixture) -> None:
    own = threading.get_ident()
    read_in: set[int] = set()
    of_other_settings = ["Give clients lifetimes that fit.", "Give clients lifetimes that fit."]

    class Noting(ClientRows):
        async def clients(self) -> dict[str, Client]:
            read_in.add(threading.get_ident())
            if keeping is not None and of_other_settings:
                raise ConfigurationError(of_other_settings.pop())
            return await super().clients()

    keeping: asyncio.Future[None] | None = None

    await migrate(store.rows, component="server", package=TABLES)
    rows = Noting(store.blocking().rows, Lifetime())
    clients = RegisteredClients(rows, SystemClock(), aside=store.rows)
    read_in.clear()
    others = ClientRows(store.rows, Lifetime())
    await others.add(Client(client_id="kiosk", strategy="jwt"), at=NOW, own_lifetime=False)
    assert "kiosk" not in clients
    assert await clients.found("kiosk") is clients["kiosk"]
    assert await clients.found("nothing") is None
    keeping = asyncio.ensure_future(clients.keep())
    await others.add(Client(client_id="till", strategy="jwt"), at=NOW, own_lifetime=False)
    async with asyncio.timeout(5):
        while "till" not in clients:  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0.01)
    assert read_in
    assert own not in read_in
    assert len(caplog.messages) == 1
    keeping.cancel()
    store.rows.database.close()
    with pytest.raises(StoreUnavailable):
        await clients.found("nothing")
    assert "till" in clients
    await store.close()


def test_what_did_not_change_stays_the_same_object(rows: ClientRows) -> None:
    """Checks pin the client that a token was read with; a second later it is still that one."""
    clock = FrozenClock()
    add(rows, "kiosk")
    clients = RegisteredClients(rows, clock)
    kiosk, version = clients["kiosk"], clients.version
    clock.advance(timedelta(seconds=2))
    assert clients["kiosk"] is kiosk
    add(rows, "till")
    clock.advance(timedelta(seconds=2))
    assert set(clients) == {"kiosk", "till"}
    assert clients.version == version + 1
