"""The verifier's copy of the status lists: apply, gap, age.

It knows how old it is, and answers nothing once it is too old. Its age counts from the moment at
which the read that it rests on began, never from when the answer arrived.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.errors import (
    ClaimsStale,
    SessionRevoked,
    SessionUnknown,
    StatusStale,
    SubjectSuspended,
)
from counterfoil.lifetime import has_passed
from counterfoil.status_change import CLAIMS_STALE, INVALID, SUSPENDED, VALID
from counterfoil.status_list import StatusBits

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.errors import AuthError
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_list import StatusList

# A list is announced before it opens or, after a pause, as it does; far less than a window later.
ANNOUNCED_WITHIN: Final = timedelta(seconds=30)

_REFUSALS: Final[dict[int, type[AuthError]]] = {
    INVALID: SessionRevoked,
    SUSPENDED: SubjectSuspended,
    CLAIMS_STALE: ClaimsStale,
}


class FeedGap(Exception):
    """The read does not continue where the mirror stands; nothing was applied."""


class ListUnknown(SessionUnknown):
    """A genuine credential names a list that the directory lacks: dropped, or not heard of yet."""


class StatusMirror:
    """Every list of the directory, as of `as_of`. Safe for many readers and several writers."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.as_of: datetime | None = None
        self._known_at = float("-inf")
        self._lists: dict[str, StatusBits] = {}
        self._applying = threading.Lock()

    def apply(self, read: FeedRead, *, began: float, at: datetime) -> None:
        """Takes in what was read. `began`: uptime when the read was begun; `at`: wall time then.

        Raises `FeedGap` when the read starts elsewhere than here, or brings a list that has been
        there before. An older read than the one already known changes nothing: late answers never
        lower what is known.
        """
        with self._applying:
            if began < self._known_at:
                return
            if read.after is None:
                lists = {known.id: StatusBits(known.size) for known in read.lists}
            elif read.after != self.position or any(map(self._is_back, read.lists)):
                raise FeedGap
            else:
                lists = {
                    known.id: self._lists.get(known.id) or StatusBits(known.size)
                    for known in read.lists
                }
            for change in read.changes:
                if (bits := lists.get(change.list_id)) is not None:
                    bits[change.index] = change.status
            self._lists = lists
            self.position = read.position
            self.as_of = at
            self._known_at = began

    def _is_back(self, known: StatusList) -> bool:
        """Whether a list is new here and not new: somebody set the issuer's clock back, and what
        was said of it before it was dropped is not in this read."""
        if known.id in self._lists or self.as_of is None:
            return False
        return has_passed(known.opens_at + ANNOUNCED_WITHIN, now=self.as_of)

    def forked(self) -> None:
        """To be called in a process just forked: nobody there holds the lock."""
        self._applying = threading.Lock()

    def age(self, *, uptime: float) -> float:
        """Seconds since the read began that this rests on; infinite before the first."""
        return uptime - self._known_at

    def require_valid(
        self, list_id: str, index: int, *, uptime: float, max_staleness: timedelta
    ) -> None:
        """Raises what the entry says, or `StatusStale` when that is not known well enough."""
        if not self.age(uptime=uptime) < max_staleness.total_seconds():
            raise StatusStale(retry_after=max_staleness)
        bits = self._lists.get(list_id)
        if bits is None:
            # Lists are announced before they are used, so one that is not there has been dropped.
            raise ListUnknown("This credential names a status list that is no longer kept.")
        try:
            status = bits[index]
        except IndexError:
            raise SessionUnknown("This credential names no entry of its status list.") from None
        if status != VALID:
            raise _REFUSALS[status]
