"""The trail of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from counterfoil.ports import TrailLine
from counterfoil.stores.statements.records import (
    EVENT,
    LARGEST,
    event_of,
    event_row,
    is_storable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from counterfoil.events import Event
    from counterfoil.stores.rows import Reading, Transaction

_APPEND: Final = f"INSERT INTO cf_events ({EVENT}) VALUES (?, ?, ?, ?, ?, ?)"
_READ: Final = (
    f"SELECT number, {EVENT} FROM cf_events WHERE number < ? ORDER BY number DESC LIMIT ?"
)
_READ_OF_SUBJECT: Final = (
    f"SELECT number, {EVENT} FROM cf_events WHERE subject = ? AND number < ?"
    " ORDER BY number DESC LIMIT ?"
)


async def append(transaction: Transaction, events: Iterable[Event]) -> None:
    for event in events:
        await transaction.run(_APPEND, event_row(event))


async def trail(
    rows: Reading, *, subject: str | None, before: int | None, limit: int
) -> list[TrailLine]:
    below = LARGEST if before is None else max(0, min(before, LARGEST))
    limit = max(0, min(limit, LARGEST))
    if subject is None:
        lines = await rows.all(_READ, (below, limit))
    elif is_storable(subject):
        lines = await rows.all(_READ_OF_SUBJECT, (subject, below, limit))
    else:
        lines = []
    return [TrailLine(line[0], event_of(line[1:])) for line in lines]
