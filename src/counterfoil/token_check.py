"""The check of a signed token at one issuer's verifier: `jwt` and `hybrid`, no I/O.

Each token's signature is verified once; what it says is then kept under the whole text, for as
long as the key set stands. Time and status are asked at every check.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from counterfoil.credential import Facts, Presented, Verified
from counterfoil.errors import CredentialMalformed, SessionUnknown, StatusStale, WrongAudience
from counterfoil.lifetime import latest
from counterfoil.strategies import hybrid, jwt
from counterfoil.token import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from counterfoil.client import Client
    from counterfoil.keys import PublicKeySet
    from counterfoil.status_mirror import StatusMirror
    from counterfoil.token import AccessToken

KEPT: Final = 10_000
T = TypeVar("T")


class KnownTokens(Generic[T]):
    """What genuine tokens say, under their whole text, for as long as the key set stands.

    Only what has been verified may be added. It is bounded: when full it begins again.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[str, tuple[T, str]] = {}

    def get(self, text: str, *, keys: PublicKeySet) -> T | None:
        entry = self._entries.get(text)
        return entry[0] if entry is not None and entry[1] == keys.version else None

    def add(self, text: str, known: T, *, keys: PublicKeySet) -> T:
        if len(self._entries) >= KEPT:
            self._entries = {}
        self._entries[text] = (known, keys.version)
        return known


class Known(NamedTuple):
    """A token whose signature, issuer, type and audience are good; its time is not checked."""

    token: AccessToken
    client: Client
    facts: Facts


@dataclass(slots=True)
class TokenCheck:
    """Checks the tokens of these clients of one issuer; mirror None where none is `hybrid`."""

    issuer: str
    clients: Mapping[str, Client]
    mirror: StatusMirror | None = None
    _known: KnownTokens[Known] = field(default_factory=KnownTokens, repr=False)

    def check(
        self,
        presented: Presented,
        *,
        keys: PublicKeySet,
        audience: str | None,
        now: datetime,
        uptime: float,
    ) -> Verified:
        """Raises, in this order, for the signature, issuer, audience, expiry and status."""
        known = self.known(presented, keys=keys, audience=audience)
        known.token.require_current(now)
        entry = hybrid.entry_of(known.token, issuer=self.issuer)
        if known.client.strategy == "jwt" and entry is None:
            return Verified(known.facts, known.token.iat)
        # Read before the entry: the mirror may move on in between, and as_of may not run ahead.
        as_of = self.mirror.as_of if self.mirror is not None else None
        if self.mirror is None or as_of is None:
            raise StatusStale
        if entry is None:
            raise SessionUnknown("This token names no status list of this issuer.")
        self.mirror.require_valid(*entry, uptime=uptime, max_staleness=known.client.max_staleness)
        # A token is itself the issuer's word of the moment when it was issued.
        return Verified(known.facts, latest(known.token.iat, as_of))

    def known(self, presented: Presented, *, keys: PublicKeySet, audience: str | None) -> Known:
        """What a genuine token says, expired or not. Raises as `check` does up to the audience."""
        known = self._known.get(presented.text, keys=keys)
        if known is None or self.clients.get(known.client.client_id) is not known.client:
            known = self._known.add(
                presented.text, self._again(presented.text, known, keys=keys), keys=keys
            )
        if audience is not None:
            known.token.require_audience(audience)
        _require_own_carrier(presented, known.client)
        return known

    def _again(self, text: str, known: Known | None, *, keys: PublicKeySet) -> Known:
        """What is known, if its client only stands under another object; else read anew."""
        client = self.clients.get(known.client.client_id) if known is not None else None
        if known is not None and client is not None and client == known.client:
            return known._replace(client=client)
        return self._read(text, keys=keys)

    def _read(self, text: str, *, keys: PublicKeySet) -> Known:
        token = read(text, keys=keys, issuer=self.issuer, typ=self._typ)
        client = self._client(token.client_id)
        token.require_audience(client.audience)
        entry = hybrid.entry_of(token, issuer=self.issuer)
        return Known(token, client, jwt.facts(token, client.strategy, entry))

    def _typ(self, client_id: str) -> str:
        return self._client(client_id).typ

    def _client(self, client_id: str) -> Client:
        client = self.clients.get(client_id)
        if client is None or not client.signs:
            raise WrongAudience("This token is of no client that is registered here.")
        return client


def _require_own_carrier(presented: Presented, client: Client) -> None:
    wrong_way = presented.carrier not in (None, client.carrier)
    if wrong_way or presented.client_id not in (None, client.client_id):
        raise CredentialMalformed(f"Credentials of this client travel by {client.carrier}.")
