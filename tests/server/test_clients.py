from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil import Client, Lifetime, SqliteStore
from counterfoil.drive import drive
from counterfoil.server.clients import RegisteredClients
from counterfoil.server.composition import TABLES
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate
from counterfoil.testing.clock import FrozenClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[ClientRows]:
    store = SqliteStore(tmp_path / "counterfoil.db").blocking()
    drive(migrate(store.rows, component="server", package=TABLES))
    yield ClientRows(store.rows, Lifetime())
    drive(store.close())


def add(rows: ClientRows, client_id: str) -> None:
    client = Client(client_id=client_id, strategy="jwt")
    assert drive(rows.add(client, at=datetime.now(UTC), own_lifetime=False))


def test_a_client_that_was_just_added_is_known_when_it_is_asked_for(rows: ClientRows) -> None:
    """Whoever adds one from the command line signs in with it at once."""
    clients = RegisteredClients(rows, FrozenClock())
    add(rows, "kiosk")
    assert clients["kiosk"].audience == "kiosk"
    with pytest.raises(KeyError):
        clients["nothing"]


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
