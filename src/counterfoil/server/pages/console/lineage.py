"""The lineage of a session: what the trail tells of it, from its sign-in on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from counterfoil.ports import Store, TrailLine
    from counterfoil.session import Session

MOST_READ: Final = 5_000
MOST_SHOWN: Final = 200
_BITE: Final = 250


class Lineage(NamedTuple):
    """lines: newest first. is_whole: back to the sign-in."""

    lines: list[TrailLine]
    read: int
    is_whole: bool


async def lineage(store: Store, session: Session) -> Lineage:
    """By the trail of its subject, which has an index; of many lines, the newest."""
    lines: list[TrailLine] = []
    read, before = 0, None
    while read < MOST_READ and len(lines) < MOST_SHOWN:
        batch = await store.trail(subject=session.subject, before=before, limit=_BITE)
        for line in batch:
            read += 1
            if line.event.session_id == session.id:
                lines.append(line)
                if line.event.kind == "session_opened":
                    return Lineage(lines, read, is_whole=True)
        if len(batch) < _BITE:
            return Lineage(lines, read, is_whole=False)
        before = batch[-1].number
        await asyncio.sleep(0)
    return Lineage(lines, read, is_whole=False)
