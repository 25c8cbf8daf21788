"""The session: the record that the issuer keeps, and the only thing that is true.

Credentials derive from it, never the other way round. Its rules return a new record; the store
replaces the old one only if nobody else has done so meanwhile (`version`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from counterfoil.errors import SessionExpired, SessionRevoked
from counterfoil.lifetime import Lifetime, earliest, has_passed, is_within, latest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.handle import Handle

SPENT_KEPT = 64
INDICES_KEPT = 3
ADDRESS_KEPT = 64  # characters; the longest IPv6 address has 45


@dataclass(frozen=True, slots=True)
class StatusIndex:
    """Where tokens of one claims version of a session find their status; dead after `until`."""

    list_id: str
    index: int
    claims_version: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in client of one subject.

    version: 1 when opened, one more with every commit. auth_time: when the subject last proved
    who they are. spent_at: when the latest generations were spent, newest last. claims_version:
    the subject's version that `claims` were read at. access_until: the latest end of any token
    issued. address: where it was opened from, as the application said; empty where it did not.
    ended_at: when it was revoked; a revoked record is kept until its absolute end, so
    that "revoked" never decays into "unknown".
    """

    id: str
    subject: str
    client_id: str
    version: int = 1
    created_at: datetime
    auth_time: datetime
    last_seen_at: datetime
    absolute_end: datetime
    idle: timedelta
    generation: int = 0
    handle_digest: bytes = field(repr=False)
    spent_at: tuple[datetime, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    claims_version: int = 0
    indices: tuple[StatusIndex, ...] = ()
    access_until: datetime | None = None
    device: str = ""
    address: str = ""
    ended_at: datetime | None = None
    ended_because: str | None = None

    @property
    def expires_at(self) -> datetime:
        """When it expires unless it is used: the idle end, but never past the absolute one."""
        return earliest(self.last_seen_at + self.idle, self.absolute_end)

    def require_live(self, *, now: datetime) -> None:
        """Raises `SessionRevoked` or `SessionExpired`; revoked comes first and stays."""
        if self.ended_at is not None:
            raise SessionRevoked
        if has_passed(self.expires_at, now=now):
            raise SessionExpired

    def is_live(self, *, now: datetime) -> bool:
        return self.ended_at is None and not has_passed(self.expires_at, now=now)

    def live_indices(self, *, now: datetime) -> tuple[StatusIndex, ...]:
        """Every index that a token still alive could name, as far as this clock is right."""
        return tuple(index for index in self.indices if not has_passed(index.until, now=now))

    def current_index(self, list_id: str | None) -> StatusIndex | None:
        """The index to keep at a refresh: same list (issuing window), same claims version."""
        for index in self.indices:
            if index.list_id == list_id and index.claims_version == self.claims_version:
                return index
        return None

    def rotated(self, successor: Handle, *, now: datetime) -> Session:
        """With a new handle; the old one is spent from now on."""
        return replace(
            self,
            generation=successor.generation,
            handle_digest=successor.digest,
            spent_at=(*self.spent_at, latest(self.spent_at[-1], now) if self.spent_at else now)[
                -SPENT_KEPT:
            ],
            last_seen_at=latest(self.last_seen_at, now),
        )

    def used(self, *, now: datetime) -> Session:
        return replace(self, last_seen_at=latest(self.last_seen_at, now))

    def with_claims(self, claims: Mapping[str, Any], claims_version: int) -> Session:
        return replace(self, claims=claims, claims_version=claims_version)

    def with_index(self, index: StatusIndex, *, now: datetime) -> Session:
        """With that status index, without those that no living token can name. Who says so is one
        machine's clock, which may be far ahead of all others': the latest stay, whatever it says.
        """
        if index in self.indices:
            return self
        older, latest_ones = self.indices[:-INDICES_KEPT], self.indices[-INDICES_KEPT:]
        kept = (each for each in older if not has_passed(each.until, now=now))
        return replace(self, indices=(*kept, *latest_ones, index))

    def with_access(self, until: datetime) -> Session:
        return replace(self, access_until=latest(self.access_until, until))

    def stepped_up(self, *, now: datetime) -> Session:
        return replace(self, auth_time=now)

    def revoked(self, *, now: datetime, because: str) -> Session:
        """Ended; repeating it changes nothing."""
        if self.ended_at is not None:
            return self
        return replace(self, ended_at=now, ended_because=because)

    def following(self, kept: Session) -> Session:
        """As the next version of the record that is kept."""
        return replace(self, version=kept.version + 1)

    def touch_due(self, *, now: datetime) -> bool:
        """Whether to note use again: at most every minute, or every tenth of a short idle."""
        return not is_within(self.last_seen_at, min(timedelta(minutes=1), self.idle / 10), now=now)


def opened(
    handle: Handle,
    *,
    subject: str,
    client_id: str,
    lifetime: Lifetime,
    device: str,
    address: str = "",
    now: datetime,
) -> Session:
    """A new session, with its first handle."""
    return Session(
        id=handle.session_id,
        subject=subject,
        client_id=client_id,
        created_at=now,
        auth_time=now,
        last_seen_at=now,
        absolute_end=now + lifetime.absolute,
        idle=lifetime.idle,
        handle_digest=handle.digest,
        device=device,
        address=address[:ADDRESS_KEPT],
    )
