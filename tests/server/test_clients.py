from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil import Client, Lifetime
from counterfoil.drive import drive
from counterfoil.server.clients import RegisteredClients
from counterfoil.server.tables.clients import ClientRows
from counterfoil.testing.clock import FrozenClock


@pytest.fixture
def rows(tables: Any) -> ClientRows:
    return ClientRows(tables.rows, Lifetime())


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
