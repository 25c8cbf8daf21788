"""One server for all tests here that leave it as it was."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

import live
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.server.composition import TABLES
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.sqlite import SqliteStore
from postgresql import new_schema
from sites import admin, site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARING: Final = (
    Client(client_id="tool", strategy="hybrid", audience="web"),
    Client(client_id="twin", strategy="session", carrier="cookie", audience="kiosk"),
    Client(client_id="far", strategy="session", audience="https://far.example/a+b"),
)

__all__ = ["admin", "site"]


@pytest.fixture(scope="session")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server that believes the tests' own address what it says about requests behind it, with
    clients that share an audience."""
    data = tmp_path_factory.mktemp("trusting") / "data"
    issuer = "https://app.example/auth"
    with live.serving(data, trusted_proxies=("127.0.0.1",), issuer=issuer) as site:
        assert site.server is not None
        rows = ClientRows(site.server.store.blocking().rows, site.server.settings.lifetime)
        for client in SHARING:
            drive(rows.add(client, at=datetime.now(UTC), own_lifetime=True))
        yield site


@pytest.fixture(params=["sqlite", "postgres"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore | PostgresStore]:
    """A store, for threads, with the server's tables beside its own."""
    with ExitStack() as stack:
        store: Any
        if request.param == "sqlite":
            store = SqliteStore(tmp_path / "counterfoil.db").blocking()
        else:
            store = PostgresStore(stack.enter_context(new_schema())).blocking()
        drive(migrate(store.rows, component="server", package=TABLES))
        yield store
        drive(store.close())
