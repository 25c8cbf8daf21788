"""A new epoch: what makes a store that was put back one to go on with."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from counterfoil.events import Event
from counterfoil.status_change import Position, following_epoch
from counterfoil.stores.statements import trail
from counterfoil.stores.statements.commits import EPOCH
from counterfoil.stores.statements.records import LARGEST, micros

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from counterfoil.stores.rows import Transaction, Value

PAGE: Final = 5_000
CHANCE_BYTES: Final = 4
# What anybody has read of a record and expects is nearer to it than that.
LEAP: Final = 2**32

_POSITION: Final = "SELECT epoch, number FROM cf_feed"
_BEGIN: Final = "UPDATE cf_feed SET epoch = ?, number = 0, directory = directory + 1"
_FORGET: Final = ("DELETE FROM cf_changes", "DELETE FROM cf_lists", "DELETE FROM cf_backup")
_LEAP_SUBJECTS: Final = f"UPDATE cf_subjects SET version = version + {LEAP}, epoch = epoch + {LEAP}"
_LEAP_CLIENTS: Final = f"UPDATE cf_clients SET version = version + {LEAP}"
# Of clients that never moved there is no row, and whoever signs in to one expects version 0.
_FIRST_CLIENTS: Final = (
    f"INSERT INTO cf_clients (client_id, version) SELECT DISTINCT client_id, {LEAP}"
    " FROM cf_sessions WHERE true ON CONFLICT (client_id) DO NOTHING"
)
_LAST_OF_PAGE: Final = (
    "SELECT created_at, id FROM cf_sessions WHERE (created_at, id) > (?, ?)"
    f" ORDER BY created_at, id LIMIT 1 OFFSET {PAGE - 1}"
)
_OF_PAGE: Final = "(created_at, id) > (?, ?) AND (created_at, id) <= (?, ?) AND ended_at IS NULL"
_LIVE: Final = (
    f"SELECT count(*) FROM cf_sessions WHERE {_OF_PAGE}"
    " AND absolute_end > ? AND last_seen_at + idle > ?"
)
_END: Final = (
    f"UPDATE cf_sessions SET version = version + {LEAP}, ended_at = ?, ended_because = ?"
    f" WHERE {_OF_PAGE}"
)


async def begin(
    transaction: Transaction,
    *,
    now: datetime,
    reached: Callable[[Position], Position],
    because: str,
    progress: Callable[[int], None] | None,
) -> int:
    await transaction.lock(EPOCH)
    [(epoch, number)] = await transaction.all(_POSITION)
    position = Position(epoch, number)
    chance = secrets.token_hex(CHANCE_BYTES)
    following = following_epoch(position, reached(position), now=now, chance=chance)
    await transaction.run(_BEGIN, (following,))
    for statement in (*_FORGET, _LEAP_SUBJECTS, _LEAP_CLIENTS, _FIRST_CLIENTS):
        await transaction.run(statement)
    live = await _end_sessions(transaction, micros(now), because, progress)
    event = Event(kind="store_restored", at=now, detail={"because": because, "sessions": live})
    await trail.append(transaction, (event,))
    return live


async def _end_sessions(
    transaction: Transaction, at: int, because: str, progress: Callable[[int], None] | None
) -> int:
    """Page by page in the order of age, which is about that of the rows: at random, each page of
    the database would be written many times over."""
    live, done = 0, 0
    first: tuple[Value, Value] = (-LARGEST, "")
    while True:
        last = await transaction.one(_LAST_OF_PAGE, first)
        page = (*first, *(last or (LARGEST, "")))
        [(alive,)] = await transaction.all(_LIVE, (*page, at, at))
        live += int(alive)
        done += await transaction.run(_END, (at, because, *page))
        if progress is not None:
            progress(done)
        if last is None:
            return live
        first = last[0], last[1]
