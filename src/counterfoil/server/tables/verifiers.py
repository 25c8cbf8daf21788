"""Rows of the verifiers that follow the feed: how each process of the server has others see them.

What is written here may be lost, and may be a moment late; who decides anything by it is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.server.tables.accounts import MICROSECOND, moment, stamp
from counterfoil.status_change import Position

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from counterfoil.ports import Store
    from counterfoil.stores.rows import Reading, Row, Rows, Transaction

MOST: Final = 5_000  # of them; the longest silent go first
_AHEAD: Final = timedelta(seconds=5)  # a row of a later moment was written before a clock went back
_SEEN: Final = (
    "SELECT client_id, process, epoch, number, seen_at, connected_since, waits FROM verifiers"
    " WHERE seen_at BETWEEN ? AND ? ORDER BY client_id, process"
)
_SAVE: Final = (
    "INSERT INTO verifiers (client_id, process, epoch, number, seen_at, connected_since, waits)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (client_id, process) DO UPDATE SET"
    " epoch = excluded.epoch, number = excluded.number, seen_at = excluded.seen_at,"
    " waits = excluded.waits, connected_since = CASE WHEN verifiers.seen_at BETWEEN"
    " excluded.connected_since - ? AND ? AND verifiers.connected_since <"
    " excluded.connected_since THEN verifiers.connected_since ELSE excluded.connected_since END"
    " WHERE verifiers.seen_at <= excluded.seen_at OR verifiers.seen_at > ?"
)
_DROP: Final = "DELETE FROM {} WHERE seen_at NOT BETWEEN ? AND ?"
_CROWD: Final = (
    "DELETE FROM verifiers WHERE seen_at < (SELECT seen_at FROM verifiers ORDER BY seen_at DESC"
    " LIMIT 1 OFFSET ?)"
)
_COUNT: Final = (
    "INSERT INTO anonymous_verifiers (node, count, seen_at) VALUES (?, ?, ?) ON CONFLICT (node)"
    " DO UPDATE SET count = excluded.count, seen_at = excluded.seen_at"
)
_COUNTED: Final = (
    "SELECT coalesce(sum(count), 0) FROM anonymous_verifiers WHERE seen_at BETWEEN ? AND ?"
)
_WATCH: Final = (
    "INSERT INTO verifier_watches (watch, until) VALUES (?, ?) ON CONFLICT (watch) DO UPDATE SET"
    " until = excluded.until"
)
_WATCHED: Final = "SELECT 1 FROM verifier_watches WHERE until > ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVerifier:
    """One process of a service that polls as a client. position: what it presented last, which it
    has applied. seen_at: its last poll. connected_since: none was late since."""

    client_id: str
    process: str
    position: Position | None
    seen_at: datetime
    connected_since: datetime
    waits: bool

    def has_come_to(self, position: Position) -> bool:
        """Whether it has said that it knows everything up to there."""
        come = self.position
        return come is not None and come.epoch == position.epoch and come.number >= position.number


class Followers(NamedTuple):
    """Who follows the feed, and how far that went when they were read, or a moment before.
    anonymous: how many without a name, about; one that has just changed from one process of the
    server to another counts twice.
    """

    named: tuple[NamedVerifier, ...]
    anonymous: int
    position: Position


class VerifierRows:
    """Verifiers, over whatever rows the store keeps. sessions: whose feed they follow. silence: for
    how long nothing may be heard of one until it has vanished."""

    def __init__(self, rows: Rows, sessions: Store) -> None:
        self.rows = rows
        self._sessions = sessions
        self._position: Position | None = None

    async def followers(self, *, now: datetime, silence: timedelta) -> Followers:
        """Those heard of since, by whatever process of the server."""
        since, ahead = _span(now, silence)
        # Before them: whoever has come to there has heard of all that was committed until now.
        self._position = position = (await self._sessions.feed(self._position, now=now)).position

        async def read(reading: Reading) -> Followers:
            named = await reading.all(_SEEN, (since, ahead))
            counted = await reading.one(_COUNTED, (_span(now, 2 * silence)[0], ahead))
            return Followers(tuple(map(_verifier, named)), counted[0] if counted else 0, position)

        return await self.rows.snapshot(read)

    async def save(
        self,
        seen: Iterable[NamedVerifier],
        *,
        node: str,
        anonymous: int,
        now: datetime,
        silence: timedelta,
    ) -> bool:
        """Writes what this process of the server has seen, and forgets who has vanished. Answers
        whether somebody watches."""
        since, ahead = _span(now, silence)
        lines = [
            (*_line(each), silence // MICROSECOND, ahead, ahead) for each in sorted(seen, key=_of)
        ]

        async def save(transaction: Transaction) -> bool:
            await transaction.run_many(_SAVE, lines)
            await transaction.run(_DROP.format("verifiers"), (since, ahead))
            await transaction.run(_CROWD, (MOST - 1,))
            await transaction.run(_COUNT, (node, anonymous, stamp(now)))
            earliest = _span(now, 2 * silence)[0]
            await transaction.run(_DROP.format("anonymous_verifiers"), (earliest, ahead))
            await transaction.run("DELETE FROM anonymous_verifiers WHERE count = 0")
            return await transaction.one(_WATCHED, (stamp(now),)) is not None

        return await self.rows.transaction(save, durable=False)

    async def watch(self, watch: str, *, until: datetime) -> None:
        """Has all processes of the server write at once what they see."""

        async def begin(transaction: Transaction) -> None:
            await transaction.run(_WATCH, (watch, stamp(until)))

        await self.rows.transaction(begin, durable=False)

    async def unwatch(self, watch: str, *, now: datetime) -> None:
        """Ends that; also for who was killed while they watched."""

        async def end(transaction: Transaction) -> None:
            sql = "DELETE FROM verifier_watches WHERE watch = ? OR until <= ?"
            await transaction.run(sql, (watch, stamp(now)))

        await self.rows.transaction(end, durable=False)


def _span(now: datetime, silence: timedelta) -> tuple[int, int]:
    return stamp(now - silence), stamp(now + _AHEAD)


def _of(seen: NamedVerifier) -> tuple[str, str]:
    return seen.client_id, seen.process


def _line(seen: NamedVerifier) -> tuple[str | int | None, ...]:
    come = seen.position
    return (
        seen.client_id,
        seen.process,
        come.epoch if come is not None else None,
        come.number if come is not None else None,
        stamp(seen.seen_at),
        stamp(seen.connected_since),
        int(seen.waits),
    )


def _verifier(row: Row) -> NamedVerifier:
    client_id, process, epoch, number, seen_at, connected_since, waits = row
    return NamedVerifier(
        client_id=client_id,
        process=process,
        position=None if epoch is None else Position(epoch, number),
        seen_at=moment(seen_at),
        connected_since=moment(connected_since),
        waits=bool(waits),
    )
