"""Look-ups of sessions, those that have gathered in one statement.

A statement costs the server and the network about the same for one session as for fifty. It is
sent after each of the checks that it serves has begun, so none of them is told what was true
before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from counterfoil.stores.statements.sessions import LOOK_UP_MANY
from counterfoil.stores.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from counterfoil.stores.postgres_connection import Connection

MOST_AT_ONCE: Final = 200
_MANY: Final = LOOK_UP_MANY.replace("?", "%s")


@dataclass(slots=True, kw_only=True, eq=False)
class LookUp(Waiter):
    """Who waits for the row of a session; None where there is none."""

    session_id: str


def look_up_all(connection: Connection, jobs: Sequence[LookUp]) -> None:
    ids = list({job.session_id for job in jobs})
    rows = {row[0]: row for row in connection.execute(_MANY, (ids,))}
    for job in jobs:
        job.value = rows.get(job.session_id)
