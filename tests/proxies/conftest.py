"""A server, an application, and each proxy before both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import live
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.server.tables.clients import ClientRows
from proxies import running
from proxies.application import Application, application

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of the same audience as `web`, so that one configuration is reached by cookie and by bearer.
MORE = (
    Client(client_id="tool", strategy="hybrid", audience="web"),
    Client(client_id="script", strategy="session", audience="web"),
    Client(client_id="robot", strategy="jwt", audience="web"),
)


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is behind a proxy. site: everything as it is reached through the proxy."""

    name: str
    site: live.Site
    behind: live.Site
    application: Application
    member: live.Device  # somebody who is signed in by cookie, with the role editor

    def person(self, *roles: str) -> live.Person:
        return registered(self.site, self.behind, *roles)

    @property
    def cookie(self) -> str:
        return self.member.headers()["Cookie"]


def registered(site: live.Site, behind: live.Site, *roles: str) -> live.Person:
    person = site.person()
    if roles:
        path = f"/v1/admin/accounts/{person.subject}"
        told = behind.administrator().call("PATCH", path, {"roles": [*roles]})
        assert told.status == 200
    return person


@pytest.fixture(scope="session", params=running.NAMES)
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """One of the proxies with a server and an application behind it."""
    running.required(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    with (
        running.reserved() as public,
        application() as behind,
        live.serving(
            folder / "data",
            issuer=f"http://localhost:{public}",
            trusted_proxies=("127.0.0.1",),
        ) as site,
    ):
        assert site.server is not None
        rows = ClientRows(site.server.store.blocking().rows, site.server.settings.lifetime)
        for client in MORE:
            drive(rows.add(client, at=datetime.now(UTC), own_lifetime=True))
        ports = running.Ports(public, site.port, behind.port)
        command = running.command_of(request.param, folder, ports)
        with running.running(command, folder, public):
            through = live.Site(public, site.data, site.demo_password, site.server)
            member = registered(through, site, "editor").sign_in("web")
            yield Guarded(request.param, through, site, behind, member)
