"""`hybrid`: a signed token that names a status index; checked with public keys and one bit in
memory. Lag: `max_staleness`, also where the tokens end sooner: that is by a verifier's clock, and
the lag is promised whatever the clocks say.

It is the JWT strategy and a status mirror, nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from counterfoil.client import Algorithm, CarrierName, Client
from counterfoil.lifetime import Lifetime
from counterfoil.status_token import list_uri
from counterfoil.token import StatusReference

if TYPE_CHECKING:
    from counterfoil.session import StatusIndex
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


def lag(client: Client) -> timedelta:
    return client.max_staleness


def reference(issuer: str, index: StatusIndex) -> StatusReference:
    return StatusReference(uri=list_uri(issuer, index.list_id), idx=index.index)


def entry_of(token: AccessToken, *, issuer: str) -> tuple[str, int] | None:
    """The list and the index where a token's status stands; None for one without. What is no list
    of this issuer is the list without a name, which no directory has."""
    if token.status is None:
        return None
    prefix = list_uri(issuer, "")
    uri = token.status.uri
    return uri[len(prefix) :] if uri.startswith(prefix) else "", token.status.idx
