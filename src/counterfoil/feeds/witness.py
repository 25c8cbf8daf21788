"""Notices that a store was put back from a copy, and declares it.

A copy is older than what has been acknowledged since, so its position is behind one that was noted
elsewhere: with the keys, by this process, or by a verifier. A copy that `counterfoil backup` made
says besides that it is one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.drive import drive
from counterfoil.errors import RestoreUndeclared

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from counterfoil.ports import Keys, Store
    from counterfoil.status_change import FeedRead, Position

RETRY_AFTER: Final = timedelta(seconds=5)
OLDER: Final = "The database is older than what was acknowledged: it was put back from a copy."
A_COPY: Final = "The database is a copy, made at {:%Y-%m-%d %H:%M:%SZ}, that was put back."


class Witness:
    """Reads the feed of a store that never suspends, unless it is older than it once was."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    def read(self, after: Position | None, *, now: datetime) -> FeedRead:
        """The feed after a position at which this store has been. What was read is noted.

        Raises `RestoreUndeclared`, and `StoreUnavailable`.
        """
        read = self._read(after, now)
        reached = self._reached(read.position, after)
        if not read.position.is_behind(reached):
            return read
        # Others may have gone on after the store was read and before it was looked how far. What is
        # read now began later than that, so it has to be there.
        read = self._read(after, now)
        if read.position.is_behind(reached):
            reached = self._reached(read.position, after)
        else:
            self._keys.reach(read.position)
        if read.position.is_behind(reached):
            raise RestoreUndeclared(OLDER, retry_after=RETRY_AFTER)
        return read

    def _read(self, after: Position | None, now: datetime) -> FeedRead:
        read = drive(self._store.feed(after, now=now))
        if read.copied_at is not None:
            raise RestoreUndeclared(A_COPY.format(read.copied_at), retry_after=RETRY_AFTER)
        return read

    def _reached(self, position: Position, after: Position | None) -> Position:
        """How far the store has come, as far as anybody here knows."""
        if after is not None and position.is_behind(after):
            return self._keys.reach(after)
        return self._keys.reach(position)


async def declare(
    store: Store, keys: Keys, *, now: datetime, progress: Callable[[int], None] | None = None
) -> int:
    """Declares that a store was put back: a new epoch begins, and all sessions are ended. Returns
    how many were live."""
    live = await store.begin_epoch(now=now, reached=keys.reach, progress=progress)
    keys.reach((await store.feed(None, now=now)).position)
    return live
