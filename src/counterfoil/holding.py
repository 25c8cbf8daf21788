"""Whether what a check found still holds, asked again for connections that outlive the check.

To ask is no use of a credential: nothing is presented again, so no handle is spent, no use is noted
and no family is ended. What was verified says itself what it rests on.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from counterfoil.credential import OnToken
from counterfoil.errors import (
    ClaimsStale,
    ConfigurationError,
    CredentialExpired,
    KeysStale,
    KeyUnknown,
    RefreshUnknown,
    SessionUnknown,
    StatusStale,
    StoreUnavailable,
    SubjectSuspended,
    Unavailable,
    WrongAudience,
)
from counterfoil.lifetime import has_passed, is_within, remaining

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from counterfoil.clock import Clock
    from counterfoil.credential import Facts, OnRecord, Verified
    from counterfoil.feeds.following import Following
    from counterfoil.keys import PublicKeySet
    from counterfoil.parts import Parts
    from counterfoil.ports import Found
    from counterfoil.status_change import Position
    from counterfoil.status_mirror import Listener

_READ_LATELY: Final = 0.5  # seconds; a mirror that is older may only have slept with its machine
_STOOD_STILL: Final = 2.0  # seconds in which nobody asked: so nothing was read either
_TO_READ: Final = 1.0  # seconds for the read that comes first then
_PAGE: Final = 64  # lines of the trail
_MOST_PAGES: Final = 16


class Moment(NamedTuple):
    """What is known at one moment, for many to be asked about.

    keys: None when they are not known well enough. position: how far the mirror has come, as of
    `known_at` (uptime).
    """

    now: datetime
    uptime: float
    keys: PublicKeySet | None
    position: Position | None
    known_at: float


class News(NamedTuple):
    """Whose sessions something has happened to, up to a line of the trail; None: too many to say.
    It may lack some, so it is no more than a hint at which records to read first."""

    line: int
    subjects: frozenset[str] | None


class Held(Protocol):
    """One thing that a verified credential rests on."""

    @property
    def entry(self) -> tuple[str, int] | None:
        """The list and the index where its status stands; None where it has none."""

    @property
    def subject(self) -> str | None:
        """Whose session's record it is; None where there is no record to read."""

    @property
    def is_due(self) -> bool:
        """Whether its record is to be read now, as of the last `require`."""

    def require(self, moment: Moment) -> float:
        """Raises what ends it, `Unavailable` when too little is known. Returns the uptime up to
        which that is known unless more is heard. No I/O."""

    async def read(self) -> None:
        """Reads the record. Raises what ends it, and `StoreUnavailable`."""


class Holding(Protocol):
    """What a live connection asks of who made the check. `Counterfoil` and `Verifier` have it."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls it when something may have been revoked: with the status entries that have changed,
        None where these may be any; in whatever thread that was found out: it must be quick and may
        not raise. Returns what ends that."""

    def moment(self) -> Moment:
        """What is known now."""

    async def news(self, since: int | None) -> News:
        """What the trail says since that line; nothing but its last line for None. Raises
        `StoreUnavailable`."""

    def hold(self, verified: Verified) -> list[Held]:
        """What this rests on, all of which has to go on holding. Raises `ConfigurationError` for
        what no check here has made."""


class HeldToken:
    """A signed token: its key, its time, its status."""

    __slots__ = ("_basis", "_facts", "_of")

    subject: Final = None
    is_due: Final = False

    def __init__(self, facts: Facts, basis: OnToken, of: IssuerHolding | VerifierHolding) -> None:
        self._facts = facts
        self._basis = basis
        self._of = of

    @property
    def entry(self) -> tuple[str, int] | None:
        return self._basis.entry

    def require(self, moment: Moment) -> float:
        if moment.keys is None:
            raise KeysStale
        if moment.keys.get(self._basis.kid) is None:
            raise KeyUnknown
        if has_passed(self._facts.expires_at, now=moment.now):
            raise CredentialExpired
        return self._of.require_valid(
            self._facts.client_id, self._basis.entry, uptime=moment.uptime
        )

    async def read(self) -> None:
        """There is no record that it rests on."""


class HeldRecord:
    """A session's record. It is read once; then, as whatever withdraws trust moves the feed, it is
    known as well as the mirror knows. Once the feed has moved it is due within half of
    `max_staleness`, and the news of the trail have those read at once that are meant."""

    __slots__ = (
        "_asked_at",
        "_basis",
        "_bound",
        "_facts",
        "_known_at",
        "_of",
        "_position",
        "_spared_until",
        "_until",
        "is_due",
    )

    entry: Final = None

    def __init__(self, verified: Verified, basis: OnRecord, of: IssuerHolding) -> None:
        self._facts = verified.facts
        self._basis = basis
        self._of = of
        self._bound = of.bound(verified.facts.client_id)
        self._asked_at = of.clock.uptime()
        self._known_at = self._asked_at - of.since(verified.as_of)
        self._spared_until = self._asked_at + _TO_READ
        self._position: Position | None = None
        self._until = verified.expires_at
        self.is_due = True

    @property
    def subject(self) -> str:
        return self._facts.subject

    def require(self, moment: Moment) -> float:
        position, uptime = self._position, moment.uptime
        is_over = has_passed(self._until, now=moment.now)  # unless it was used since
        is_same = position is moment.position or position == moment.position
        is_same = is_same and position is not None and not is_over
        if is_same:
            self._known_at = max(self._known_at, moment.known_at)
        is_old = uptime - self._known_at >= self._bound / 2
        self.is_due = not is_same and (position is None or is_over or is_old)
        if uptime - self._asked_at > _STOOD_STILL:
            self._spared_until = uptime + _TO_READ
        self._asked_at = uptime
        until = max(self._known_at + self._bound, self._spared_until)
        if uptime >= until:
            raise StatusStale if is_same else StoreUnavailable
        return until

    async def read(self) -> None:
        began, position = self._of.clock.uptime(), self._of.position()
        self._position = None  # unless it can be read it stays due
        found = await self._of.look_up(self._facts.session_id)
        now = self._of.clock.now()
        found.session.require_live(now=now)
        if found.subject.is_suspended:
            raise SubjectSuspended
        if found.subject.claims_version != self._basis.claims_version:
            raise ClaimsStale
        self._known_at = began
        self._until = found.session.expires_at
        if self._is_of_another_proof(found, now):
            position = None  # its grace is not over, and nothing will say when it is
        self._position = position

    def _is_of_another_proof(self, found: Found, now: datetime) -> bool:
        """Whether somebody has stepped up since. The handle that was presented was replaced, and
        whoever else knew it shall stay out: raises `RefreshUnknown` once its grace is over."""
        session = found.session
        if session.auth_time == self._basis.auth_time:
            return False
        if not is_within(session.auth_time, self._of.grace(session.client_id), now=now):
            raise RefreshUnknown("This handle was replaced when the password was confirmed.")
        return True


class IssuerHolding:
    """At the issuer: by keys and mirror, and by the record."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.clock = parts.clock

    def listen(self, listener: Listener) -> Callable[[], None]:
        if self._parts.feed is not None:
            with suppress(Unavailable):
                self._parts.feed.ensure()
        return self._parts.mirror.listen(listener)

    def moment(self) -> Moment:
        uptime, feed, mirror = self.clock.uptime(), self._parts.feed, self._parts.mirror
        if feed is not None and mirror.age(uptime=uptime) > _READ_LATELY:
            with suppress(Unavailable):
                feed.ensure()
                if not feed.is_aside:
                    feed.make_up()
        # Before the position: the mirror may move on in between.
        known_at = uptime - mirror.age(uptime=uptime)
        keys = None
        with suppress(Unavailable):
            keys = self._parts.keys.public_keys()
        return Moment(self.clock.now(), uptime, keys, self.position(), known_at)

    async def news(self, since: int | None) -> News:
        store, before, last = self._parts.store, None, since or 0
        subjects: set[str] = set()
        for _ in range(_MOST_PAGES):
            lines = await store.trail(before=before, limit=_PAGE if since is not None else 1)
            last = max([last, *(line.number for line in lines)])
            new = [line for line in lines if since is not None and line.number > since]
            subjects.update(line.event.subject for line in new if line.event.subject is not None)
            if len(new) < _PAGE:
                return News(last, frozenset(subjects))
            before = new[-1].number
        return News(last, None)

    def hold(self, verified: Verified) -> list[Held]:
        return [
            HeldToken(verified.facts, basis, self)
            if isinstance(basis, OnToken)
            else HeldRecord(verified, basis, self)
            for basis in _required(verified)
        ]

    def require_valid(
        self, client_id: str, entry: tuple[str, int] | None, *, uptime: float
    ) -> float:
        """For a token of this client whose status stands there: as `Held.require`."""
        client = self._parts.clients.get(client_id)
        if client is None or not client.signs:
            raise WrongAudience("This token is of no client that is registered here.")
        if entry is None and client.strategy == "jwt":
            return math.inf
        if entry is None:
            raise SessionUnknown("This token names no status list of this issuer.")
        mirror, bound = self._parts.mirror, client.max_staleness
        mirror.require_valid(*entry, uptime=uptime, max_staleness=bound)
        return mirror.good_until(max_staleness=bound)

    def position(self) -> Position | None:
        """How far the mirror has come; None where there is no feed, and each record is read."""
        return self._parts.mirror.position

    async def look_up(self, session_id: str) -> Found:
        """The record. Raises `SessionUnknown` where there is none, or no client for it."""
        found = await self._parts.store.look_up(session_id)
        if found is None or found.session.client_id not in self._parts.clients:
            raise SessionUnknown
        return found

    def since(self, moment: datetime) -> float:
        """Seconds from then to now; none where the clock was set back."""
        return remaining(self.clock.now(), now=moment).total_seconds()

    def bound(self, client_id: str) -> float:
        """For how long a record counts as known, in seconds."""
        return self._parts.client(client_id).max_staleness.total_seconds()

    def grace(self, client_id: str) -> timedelta:
        return self._parts.client(client_id).lifetime.grace


class VerifierHolding:
    """At a verifier: by keys and mirror. It has no records."""

    def __init__(self, following: Following, ensure: Callable[[], None]) -> None:
        self._following = following
        self._ensure = ensure
        self.clock: Clock = following.clock

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._ensure()
        return self._following.mirror.listen(listener)

    def moment(self) -> Moment:
        self._ensure()
        uptime, mirror = self.clock.uptime(), self._following.mirror
        known_at = uptime - mirror.age(uptime=uptime)
        keys = None
        with suppress(Unavailable):
            keys = self._following.keys.current(uptime=uptime)
        return Moment(self.clock.now(), uptime, keys, mirror.position, known_at)

    async def news(self, since: int | None) -> News:
        """No verifier has a trail."""
        return News(since or 0, frozenset())

    def hold(self, verified: Verified) -> list[Held]:
        tokens = [each for each in _required(verified) if isinstance(each, OnToken)]
        if not tokens:
            raise ConfigurationError(
                "Ask the issuer's Counterfoil to follow this: it rests on a record."
            )
        return [HeldToken(verified.facts, each, self) for each in tokens]

    def require_valid(
        self, client_id: str, entry: tuple[str, int] | None, *, uptime: float
    ) -> float:
        """For a token of this client whose status stands there: as `Held.require`."""
        if entry is None:
            return math.inf
        self._following.require_valid(client_id, *entry, uptime=uptime)
        return self._following.good_until(client_id)


def _required(verified: Verified) -> tuple[OnToken | OnRecord, ...]:
    if not verified.facts.rests_on:
        raise ConfigurationError(
            "Give what `check` found; nobody can follow what Verifier.confirm, or a test, has made."
        )
    return verified.facts.rests_on
