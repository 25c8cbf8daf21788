"""The signed lists of one node, made from its mirror; each is signed anew when it has changed, and
now and then, so that what is served is good for a while yet."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil import status_token
from counterfoil.errors import IssuerUnavailable

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.keys import SigningKey
    from counterfoil.status_change import Position
    from counterfoil.status_mirror import StatusMirror

RENEW_AFTER: Final = timedelta(seconds=20)
# Seconds that a node rests for each list that it packs, which is ten times what a full one takes:
# a storm of revocations, of which each makes every list another, takes a tenth of a core.
REST_EACH: Final = 0.05
AT_ONCE: Final = 1.0  # of rest may be owed: few revocations are no storm
LATE: Final = timedelta(seconds=1)  # so old may what lacks a change be while the node rests
STALE: Final = 5.0  # seconds; a mirror that old is not what an issuer vouches for
_WAIT: Final = timedelta(seconds=1)


class Signed(NamedTuple):
    """A list's token, where in the feed it stands, and from when to when it is good."""

    token: str
    position: Position
    kid: str
    issued_at: datetime

    @property
    def expires_at(self) -> datetime:
        return self.issued_at + status_token.TTL


class ListTokens:
    """Safe for several threads; a list is packed and signed by one of them."""

    def __init__(self, issuer: str, mirror: StatusMirror) -> None:
        self._issuer = issuer
        self._mirror = mirror
        self._signed: dict[str, Signed] = {}
        self._signing = threading.Lock()
        self._rested_at = float("-inf")

    def uris(self) -> list[str]:
        """Of every list that is kept."""
        return [status_token.list_uri(self._issuer, list_id) for list_id in self._mirror.lists]

    def current(
        self, list_id: str, *, key: SigningKey, uptime: float, at_least: Position | None = None
    ) -> Signed:
        """A list as this node knows it, no older than a position that is asked for.

        Raises `NotFound` for a list that is not kept, and `IssuerUnavailable` where the node does
        not know enough: its store is away, or it has not come so far.
        """
        if self._mirror.age(uptime=uptime) > STALE:
            raise IssuerUnavailable("This node cannot read its store.", retry_after=_WAIT)
        with self._signing:
            self._signed = {
                name: kept for name, kept in self._signed.items() if name in self._mirror.lists
            }
            signed = self._signed.get(list_id)
            rests = uptime < self._rested_at - AT_ONCE
            if signed is None or not self._is_good(signed, key, at_least, rests=rests):
                signed = self._signed[list_id] = self._sign(list_id, key)
                self._rested_at = max(self._rested_at, uptime) + REST_EACH
        if at_least is not None and not _reaches(signed.position, at_least):
            raise IssuerUnavailable("This node has not come so far.", retry_after=_WAIT)
        return signed

    def _is_good(
        self, signed: Signed, key: SigningKey, at_least: Position | None, *, rests: bool
    ) -> bool:
        as_of = self._mirror.as_of
        if as_of is None or signed.kid != key.kid:
            return False
        age = as_of - signed.issued_at
        if at_least is not None and not _reaches(signed.position, at_least):
            return False
        if signed.position != self._mirror.position:
            return rests and timedelta(0) <= age < LATE
        return timedelta(0) <= age < RENEW_AFTER

    def _sign(self, list_id: str, key: SigningKey) -> Signed:
        bits, position, as_of = self._mirror.copy_of(list_id)
        uri = status_token.list_uri(self._issuer, list_id)
        token = status_token.issue(uri, bits, position, issuer=self._issuer, key=key, now=as_of)
        return Signed(token, position, key.kid, as_of.replace(microsecond=0))


def _reaches(position: Position, at_least: Position) -> bool:
    return position.epoch == at_least.epoch and position.number >= at_least.number
