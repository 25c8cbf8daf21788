"""What was issued, asked for and acknowledged, in true time: what the invariants are about.

An operation takes effect somewhere between its beginning and its end, or, where nobody was told how
it ended, perhaps never. So there is always what is promised, what is possible, and a doubt between.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simulation.start import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from counterfoil import Opened

NEVER: Final = float("inf")
CLOCKS_DIFFER: Final = 4.0  # seconds at most between two wall clocks that are right, and rounding


class Promise(NamedTuple):
    """No check that begins later than `within` after it was acknowledged passes.

    Where that is less than max_staleness, no session of a `hybrid` client was found that lives, and
    that is as good as the wall clocks are on which ends are read. rests_on_clocks: whether that of
    the node which said so was right.
    """

    what: str
    acknowledged: float
    within: float
    rests_on_clocks: bool = True

    def binding_from(self, *, longest: float, clocks_are_right: bool) -> float:
        """longest: max_staleness of the client."""
        within = self.within
        if within < longest:
            is_known = clocks_are_right and self.rests_on_clocks
            within = min(longest, within + CLOCKS_DIFFER) if is_known else longest
        return self.acknowledged + within


@dataclass(slots=True, eq=False)
class Operation:
    """Something that was asked for: when, when it was first acknowledged, and since when no
    attempt at it can take effect any more."""

    began: float
    acknowledged: float = NEVER
    over_at: float = NEVER
    is_repeated: bool = True  # until somebody has heard what came of it, or gives up
    under_way: int = 0

    def move(self, attempts: int, *, now: float) -> None:
        """So many more attempts can take effect, or fewer."""
        self.under_way += attempts
        self.over_at = NEVER if self.under_way or self.is_repeated else now

    def settle(self, *, now: float) -> None:
        """No other attempt is begun."""
        self.is_repeated = False
        self.move(0, now=now)


@dataclass(slots=True, eq=False)
class Suspension:
    operation: Operation
    promise: Promise | None = None


@dataclass(slots=True, eq=False)
class Subject:
    """claims: the version that the application's own records say now."""

    name: str
    claims: int = 0
    changes: list[Operation] = field(default_factory=list)
    stale: list[tuple[int, Promise]] = field(default_factory=list)
    suspensions: list[Suspension] = field(default_factory=list)
    reinstatements: list[Operation] = field(default_factory=list)

    def suspended(self, *, ended: float) -> Iterator[Promise]:
        """What holds at a check that ended then: of every suspension that no reinstatement may
        have lifted."""
        for each in self.suspensions:
            if each.promise is not None and not any(
                lifting.over_at > each.operation.began and lifting.began <= ended
                for lifting in self.reinstatements
            ):
                yield each.promise

    def forget(self) -> None:
        """The store is as it was before: what is still repeated may yet take effect there, and
        nothing that was acknowledged about this subject as a whole is promised any more."""
        self.suspensions = [
            Suspension(each.operation)
            for each in self.suspensions
            if each.operation.over_at == NEVER
        ]
        self.reinstatements = [each for each in self.reinstatements if each.over_at == NEVER]

    def was_surely_free(self, *, since: float, until: float) -> bool:
        """Whether no suspension can have been in force between these."""
        return all(
            each.operation.began > until
            or any(
                lifting.began > each.operation.over_at and lifting.acknowledged <= since
                for lifting in self.reinstatements
            )
            for each in self.suspensions
        )


@dataclass(slots=True, eq=False)
class Device:
    """A session as its owner, and whoever steals from them, knows it.

    may_have_ended: since when that is possible. in_doubt: since when it was served by a machine
    whose wall clock was wrong, or its owner lost it: nothing is expected of it from then on but
    that what was promised holds.
    """

    name: str
    session_id: str
    subject: Subject
    client_id: str
    asked_at: float
    opened_at: float
    handle: str = field(default="", repr=False)
    spent: list[str] = field(default_factory=list, repr=False)
    tokens: list[Token] = field(default_factory=list, repr=False)
    promises: list[Promise] = field(default_factory=list)
    may_have_ended: float = NEVER
    in_doubt: float = NEVER

    def end_maybe(self, *, now: float) -> None:
        self.may_have_ended = min(self.may_have_ended, now)

    def doubt(self, *, now: float) -> None:
        self.in_doubt = min(self.in_doubt, now)


@dataclass(slots=True, eq=False)
class Token:
    """A credential as it travels: a signed token, or the handle of a `session` client. asked_at:
    when the request for it began. expires_at: true seconds. kid, list_id: of a signed one."""

    name: str
    text: str = field(repr=False)
    device: Device
    claims: int
    asked_at: float
    expires_at: float
    kid: str = ""
    list_id: str = ""

    @property
    def is_signed(self) -> bool:
        return bool(self.kid)

    def is_surely_fresh(self) -> bool:
        """Whether no change of claims can have made it stale."""
        return all(change.over_at <= self.asked_at for change in self.device.subject.changes)


class Ending(NamedTuple):
    """What was asked for that may end some devices' sessions."""

    operation: Operation
    concerns: Callable[[Device], bool]


class Ledger:
    """Of everybody. bounds: max_staleness of each `hybrid` client. now: true time."""

    def __init__(
        self, subjects: int, *, bounds: Mapping[str, float], now: Callable[[], float]
    ) -> None:
        self.subjects = [Subject(f"subject{number}") for number in range(subjects)]
        self.devices: dict[str, Device] = {}
        self.endings: list[Ending] = []
        self.distrusted: dict[str, float] = {}
        self.bounds = bounds
        self._now = now

    def opened(self, opened: Opened, *, asked_at: float) -> Token:
        """A session that a node has opened, whether or not anybody hears of it."""
        session = opened.session
        subject = next(each for each in self.subjects if each.name == session.subject)
        device = self.devices[session.id] = Device(
            name=f"d{len(self.devices)}",
            session_id=session.id,
            subject=subject,
            client_id=session.client_id,
            asked_at=asked_at,
            opened_at=self._now(),
        )
        return self.issued(device, opened, asked_at=asked_at)

    def issued(self, device: Device, opened: Opened, *, asked_at: float) -> Token:
        """A credential that a node has issued, whether or not anybody receives it."""
        credential = opened.credential
        token = Token(
            name=f"{device.name}.{len(device.tokens)}",
            text=credential.token,
            device=device,
            claims=opened.session.claims["v"],
            asked_at=asked_at,
            expires_at=(credential.expires_at - START).total_seconds(),
        )
        if credential.signs:
            header, payload = map(_members, credential.token.split(".")[:2])
            token.kid = header["kid"]
            token.list_id = payload["status"]["status_list"]["uri"].rpartition("/")[2]
        device.tokens.append(token)
        return token

    def held(self, device: Device, opened: Opened) -> None:
        """Its owner has received it. An answer that comes after a later one is passed over."""
        handle = opened.credential.refresh_handle or opened.credential.token
        if handle in device.spent:
            return
        if device.handle and handle != device.handle:
            device.spent.append(device.handle)
        device.handle = handle

    def devices_that(self, concerns: Callable[[Device], bool]) -> list[Device]:
        return [device for device in self.devices.values() if concerns(device)]

    def is_surely_live(self, device: Device, *, until: float) -> bool:
        """Whether nothing can have ended its session."""
        return device.may_have_ended > until and not any(
            ending.operation.began <= until
            and ending.operation.over_at >= device.asked_at
            and ending.concerns(device)
            for ending in self.endings
        )

    def lag(self, client_id: str) -> float:
        """The longest that anything of this client outlives its end at a Counterfoil verifier."""
        return self.bounds.get(client_id, 0.0)

    def promises(self, token: Token, *, claims: int, ended: float) -> Iterator[Promise]:
        """All that speaks against this token, at a check that ended then and said these claims."""
        device = token.device
        yield from device.promises
        yield from device.subject.suspended(ended=ended)
        for version, promise in device.subject.stale:
            if claims < version:
                yield promise
        if token.kid in self.distrusted:
            yield Promise("distrusted", self.distrusted[token.kid], self.lag(device.client_id))


def _members(segment: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return members
