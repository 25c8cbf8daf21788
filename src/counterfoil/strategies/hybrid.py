"""`hybrid`: a signed token that names a status index; checked with public keys and one bit in
memory. Lag: `max_staleness`, or less where the tokens end sooner.

It is the JWT strategy and a status mirror, nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from counterfoil.client import Algorithm, CarrierName, Client
from counterfoil.errors import SessionUnknown
from counterfoil.lifetime import Lifetime
from counterfoil.strategies import jwt
from counterfoil.token import StatusReference

if TYPE_CHECKING:
    from counterfoil.session import Session, StatusIndex
    from counterfoil.status_mirror import StatusMirror
    from counterfoil.token import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridStrategy:
    """Settings of an application whose tokens are checked locally and revoked within
    `max_staleness` (1 to 60 s)."""

    audience: str
    client_id: str = ""
    carrier: CarrierName = "bearer"
    algorithm: Algorithm = "ES256"
    typ: str = "at+jwt"
    lifetime: Lifetime = field(default_factory=Lifetime)
    max_staleness: timedelta = timedelta(seconds=10)
    manage: bool = True

    def client(self) -> Client:
        return Client(
            client_id=self.client_id or self.audience,
            strategy="hybrid",
            carrier=self.carrier,
            audience=self.audience,
            algorithm=self.algorithm,
            typ=self.typ,
            lifetime=self.lifetime,
            max_staleness=self.max_staleness,
            manage=self.manage,
        )


def lag(session: Session, client: Client, *, now: datetime) -> timedelta:
    return min(client.max_staleness, jwt.lag(session, now=now))


def list_uri(issuer: str, list_id: str) -> str:
    return f"{issuer}/status/lists/{list_id}"


def reference(issuer: str, index: StatusIndex) -> StatusReference:
    return StatusReference(uri=list_uri(issuer, index.list_id), idx=index.index)


def require_valid(
    token: AccessToken, client: Client, *, issuer: str, mirror: StatusMirror, uptime: float
) -> None:
    """Raises what the mirror knows against this token, or that it does not know enough."""
    prefix = list_uri(issuer, "")
    if token.status is None or not token.status.uri.startswith(prefix):
        raise SessionUnknown("This token names no status list of this issuer.")
    mirror.require_valid(
        token.status.uri[len(prefix) :],
        token.status.idx,
        uptime=uptime,
        max_staleness=client.max_staleness,
    )
