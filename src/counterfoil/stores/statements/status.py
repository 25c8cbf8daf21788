"""Status lists, the indices given out of them, and the feed of changes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.status_change import FeedRead, Position, StatusChange
from counterfoil.status_list import Block, schedule
from counterfoil.stores.statements.commits import EPOCH
from counterfoil.stores.statements.records import (
    LIST,
    list_of,
    list_row,
    micros,
    moment_or_none,
)

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.status_list import Issuing, StatusList
    from counterfoil.stores.rows import Reading, Rows, Transaction

_STANDING: Final = (
    "SELECT epoch, number, directory, (SELECT max(made_at) FROM cf_backup) FROM cf_feed"
)
_LISTS: Final = f"SELECT {LIST} FROM cf_lists ORDER BY number"
_CHANGES: Final = (
    "SELECT c.list_id, c.position, c.status FROM cf_changes c JOIN cf_lists l ON l.id = c.list_id"
    " WHERE c.number > ? AND l.dropped_at > ? ORDER BY c.number"
)
# Also the lock under which lists are chosen and announced.
_MOVE_DIRECTORY: Final = "UPDATE cf_feed SET directory = directory + ?"
_GIVEN: Final = f"SELECT {LIST}, given FROM cf_lists ORDER BY number"
_ANNOUNCE: Final = f"INSERT INTO cf_lists ({LIST}, given) VALUES (?, ?, ?, ?, ?, 0)"
_GIVE: Final = "UPDATE cf_lists SET given = ? WHERE id = ?"
_DROPPED: Final = "SELECT count(*) FROM cf_lists WHERE dropped_at <= ?"
_PRUNE: Final = (
    "DELETE FROM cf_changes WHERE number IN (SELECT c.number FROM cf_changes c"
    " LEFT JOIN cf_lists l ON l.id = c.list_id WHERE l.id IS NULL OR l.dropped_at <= ?"
    " ORDER BY c.number LIMIT ?)"
)
_DROP: Final = "DELETE FROM cf_lists WHERE dropped_at <= ?"
_SWEEPING: Final = "sweep"  # the lock's name: two at once would each think that little is left
_SWEEP: Final = (
    "DELETE FROM cf_sessions WHERE id IN (SELECT id FROM cf_sessions WHERE absolute_end <= ?"
    " ORDER BY absolute_end LIMIT ?)"
)


class Directory(NamedTuple):
    """Every list that is kept, and what the feed's row said of it then."""

    epoch: str
    version: int
    lists: tuple[StatusList, ...]

    def kept(self, *, now: datetime) -> tuple[StatusList, ...]:
        return tuple(known for known in self.lists if not known.is_dropped(now=now))


class Feed:
    """Reads the feed, and remembers the directory, which rarely changes."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._directory = Directory("", -1, ())

    async def read(self, after: Position | None, *, now: datetime) -> FeedRead:
        """With nothing new it is one statement on one row: somebody asks all the time."""
        directory = self._directory
        if after is not None:
            row = await self._rows.one(_STANDING)
            if row == (after.epoch, after.number, directory.version, None):
                lists = directory.kept(now=now)
                return FeedRead(after=after, position=after, at=now, lists=lists, changes=())
        read, self._directory = await self._rows.snapshot(
            lambda reading: _read_feed(reading, after, now)
        )
        return read


async def reserve(
    transaction: Transaction, issuing: Issuing, *, count: int, now: datetime
) -> Block:
    await transaction.run(_MOVE_DIRECTORY, (0,))
    known = [(list_of(row), row[-1]) for row in await transaction.all(_GIVEN)]
    plan = schedule(known, issuing, now=now, new_id=lambda: secrets.token_urlsafe(6))
    if plan.announced:
        await transaction.run_many(_ANNOUNCE, map(list_row, plan.announced))
        await transaction.run(_MOVE_DIRECTORY, (1,))
    start = dict(known).get(plan.chosen, 0)
    stop = min(start + count, plan.chosen.size)
    await transaction.run(_GIVE, (stop, plan.chosen.id))
    return Block(plan.chosen, start, stop)


async def sweep(rows: Rows, *, now: datetime, limit: int) -> int:
    """In transactions that each touch `limit` rows at most, so nobody waits long behind one."""
    moment = micros(now)

    async def sweep_sessions(transaction: Transaction) -> int:
        await transaction.lock(EPOCH, shared=True)
        await transaction.lock(_SWEEPING)
        return await transaction.run(_SWEEP, (moment, limit))

    async def prune(transaction: Transaction) -> int:
        await transaction.lock(_SWEEPING)
        return await transaction.run(_PRUNE, (moment, limit))

    async def drop(transaction: Transaction) -> None:
        await transaction.run(_MOVE_DIRECTORY, (1,))
        await transaction.run(_DROP, (moment,))

    swept = await rows.transaction(sweep_sessions)
    if await rows.one(_DROPPED, (moment,)) != (0,):
        while await rows.transaction(prune) == limit:
            pass
        await rows.transaction(drop)
    return swept


async def _read_feed(
    reading: Reading, after: Position | None, now: datetime
) -> tuple[FeedRead, Directory]:
    [(epoch, number, version, copied_at)] = await reading.all(_STANDING)
    directory = Directory(epoch, version, tuple(map(list_of, await reading.all(_LISTS))))
    start = after if after is not None and after.epoch == epoch else None
    changes = await reading.all(_CHANGES, (start.number if start else 0, micros(now)))
    read = FeedRead(
        after=start,
        position=Position(epoch, number),
        at=now,
        lists=directory.kept(now=now),
        changes=tuple(StatusChange(*change) for change in changes),
        copied_at=moment_or_none(copied_at),
    )
    return read, directory
