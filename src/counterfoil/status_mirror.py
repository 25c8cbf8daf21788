"""The verifier's copy of the status lists: apply, gap, age.

It knows how old it is, and answers nothing once it is too old. Its age counts from the moment at
which the read that it rests on began, never from when the answer arrived.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.errors import (
    ClaimsStale,
    NotFound,
    SessionRevoked,
    SessionUnknown,
    StatusStale,
    SubjectSuspended,
)
from counterfoil.lifetime import has_passed
from counterfoil.status_change import CLAIMS_STALE, INVALID, SUSPENDED, VALID
from counterfoil.status_list import StatusBits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from counterfoil.errors import AuthError
    from counterfoil.status_change import FeedRead, Position, StatusChange
    from counterfoil.status_list import StatusList

    Changes = tuple[StatusChange, ...]
    Listener = Callable[[Changes | None], None]

# A list is announced before it opens or, after a pause, as it does; far less than a window later.
ANNOUNCED_WITHIN: Final = timedelta(seconds=30)
# The issuer's clock and this one may run at rates that differ by that share, and by far more than
# crystals and NTP make them.
_RATES: Final = 0.001

_REFUSALS: Final[dict[int, type[AuthError]]] = {
    INVALID: SessionRevoked,
    SUSPENDED: SubjectSuspended,
    CLAIMS_STALE: ClaimsStale,
}


class FeedGap(Exception):
    """The read does not continue where the mirror stands; nothing was applied."""


class ListUnknown(SessionUnknown):
    """A genuine credential names a list that the directory lacks: dropped, or not heard of yet."""


class Start(NamedTuple):
    """Lists that were fetched, to read on from: `position` is the earliest that any of them
    stands at. `at`: the issuer's wall time when it named them."""

    position: Position
    at: datetime
    lists: Mapping[str, StatusBits]


class StatusMirror:
    """Every list of the directory, as of `as_of`. Safe for many readers and several writers."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.as_of: datetime | None = None
        self.lists: Mapping[str, StatusBits] = {}
        self._said_at: datetime | None = None
        self._known_at = float("-inf")
        self._applying = threading.Lock()
        self._listeners: list[Listener] = []

    def apply(
        self, read: FeedRead, *, began: float, at: datetime, start: Start | None = None
    ) -> None:
        """Takes in what was read. `began`: uptime when the read was begun; `at`: wall time then.
        start: the lists that it continues, in place of those held.

        Raises `FeedGap` when the read starts elsewhere than here, brings a list that has been
        there before, or a change of an entry that does not exist. An older read than the one
        already known changes nothing: late answers never lower what is known.
        """
        with self._applying:
            if began < self._known_at:
                return
            moved = read.position != self.position
            lists = self._continued(read, start)
            for change in read.changes:
                if (bits := lists.get(change.list_id)) is not None:
                    bits[change.index] = change.status
            self.lists = lists
            if moved:  # else the same object, which is quicker to compare
                self.position = read.position
            self._said_at = read.at
            self.as_of = at
            self._known_at = began
        if moved:
            is_told = read.after is not None and start is None
            for listener in tuple(self._listeners):
                listener(read.changes if is_told else None)

    def _continued(self, read: FeedRead, start: Start | None) -> dict[str, StatusBits]:
        """The lists that the read's changes belong to."""
        position, said_at, held = self.position, self._said_at, self.lists
        if start is not None:
            position, said_at, held = start
        if read.after is None:
            held = {}
        returned = (known.id not in held and _is_back(known, said_at) for known in read.lists)
        if read.after is not None and (read.after != position or any(returned)):
            raise FeedGap
        lists = {known.id: held.get(known.id) or StatusBits(known.size) for known in read.lists}
        for change in read.changes:
            if (bits := lists.get(change.list_id)) is not None and change.index not in bits:
                raise FeedGap
        return lists

    def copy_of(self, list_id: str) -> tuple[StatusBits, Position, datetime]:
        """A list, the position at which it stands so, and when that was known. Raises `NotFound`
        for one that is not kept."""
        with self._applying:
            bits = self.lists.get(list_id)
            if bits is None or self.position is None or self.as_of is None:
                raise NotFound("There is no such list; those that are kept are at /status/lists.")
            return StatusBits(bits.size, bytes(bits.data)), self.position, self.as_of

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls it whenever the position has moved, with what has changed, or None where that may
        be anything; in whatever thread that was found out: it must be quick and may not raise.
        Returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def forked(self) -> None:
        """To be called in a process just forked: nobody there holds the lock."""
        self._applying = threading.Lock()

    def age(self, *, uptime: float) -> float:
        """Seconds since the read began that this rests on; infinite before the first."""
        return uptime - self._known_at

    def good_until(self, *, max_staleness: timedelta) -> float:
        """The uptime from which all that is known is too old, unless more is heard."""
        return self._known_at + max_staleness.total_seconds() * (1 - _RATES)

    def require_valid(
        self, list_id: str, index: int, *, uptime: float, max_staleness: timedelta
    ) -> None:
        """Raises what the entry says, or `StatusStale` when that is not known well enough."""
        if not self.age(uptime=uptime) < max_staleness.total_seconds() * (1 - _RATES):
            raise StatusStale(retry_after=max_staleness)
        bits = self.lists.get(list_id)
        if bits is None:
            # Lists are announced before they are used, so one that is not there has been dropped.
            raise ListUnknown("This credential names a status list that is no longer kept.")
        try:
            status = bits[index]
        except IndexError:
            raise SessionUnknown("This credential names no entry of its status list.") from None
        if status != VALID:
            raise _REFUSALS[status]


def _is_back(known: StatusList, said_at: datetime | None) -> bool:
    """Whether a list that is not held is not new either: somebody set the issuer's clock back, and
    what was said of it before it was dropped is not in this read. The issuer's moments are
    compared with each other: nobody else's clock can be right about them."""
    return said_at is not None and has_passed(known.opens_at + ANNOUNCED_WITHIN, now=said_at)
