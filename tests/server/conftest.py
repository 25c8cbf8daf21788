"""One server for all tests here that leave it as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

import live
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.server.tables.clients import ClientRows
from sites import admin, site

if TYPE_CHECKING:
    from collections.abc import Iterator

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
