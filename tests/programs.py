"""Programs that call /oauth as a client with a secret."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

from counterfoil.drive import drive
from counterfoil.server.tables.client_secrets import ClientSecrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from live import Answer, Site

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of a client; calls with its secret in the Authorization header."""

    site: Site
    client_id: str
    secret: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        return basic(self.client_id, self.secret)

    def introspect(self, text: str, **more: str) -> Answer:
        return self.call("introspect", token=text, **more)

    def revoke(self, text: str, **more: str) -> Answer:
        return self.call("revoke", token=text, **more)

    def refresh(self, handle: str, **more: str) -> Answer:
        return self.call("token", grant_type="refresh_token", refresh_token=handle, **more)

    def call(self, name: str, **fields: str) -> Answer:
        return post(self.site, name, urlencode(fields), self.headers())


def post(site: Site, name: str, body: str, headers: Mapping[str, str] | None = None) -> Answer:
    given = {"Content-Type": FORM, **(headers or {})}
    return site.call("POST", f"/oauth/{name}", body.encode(), given)


def program(site: Site, client_id: str = "api") -> Program:
    """A program with a fresh secret; those that its client had are worth nothing any more."""
    secrets = secrets_of(site)
    drive(secrets.revoke(client_id, newest=True))
    return Program(site, client_id, drive(secrets.add(client_id, at=datetime.now(UTC))))


def secrets_of(site: Site) -> ClientSecrets:
    assert site.server is not None
    return ClientSecrets(site.server.store.blocking().rows)


def basic(client_id: str, secret: str) -> dict[str, str]:
    """RFC 6749 §2.3.1: each part form-encoded, then both as of RFC 7617."""
    text = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}
