"""Sessions, subjects and clients read."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from counterfoil.ports import Found
from counterfoil.stores.statements.records import (
    LARGEST,
    SESSION,
    SESSION_WIDTH,
    SUBJECT,
    is_storable,
    micros,
    session_of,
    subject_of,
)
from counterfoil.subject import ClientState

if TYPE_CHECKING:
    from counterfoil.ports import SessionQuery
    from counterfoil.session import Session
    from counterfoil.stores.rows import Reading, Row, Value
    from counterfoil.subject import SubjectState

_COLUMNS: Final = f"s.{SESSION.replace(', ', ', s.')}, u.{SUBJECT.replace(', ', ', u.')}"

_FOUND: Final = (
    f"SELECT {_COLUMNS} FROM cf_sessions s LEFT JOIN cf_subjects u ON u.subject = s.subject"
)
LOOK_UP: Final = f"{_FOUND} WHERE s.id = ?"
LOOK_UP_MANY: Final = f"{_FOUND} WHERE s.id = ANY(?)"  # which is no SQL for SQLite
_SUBJECT: Final = f"SELECT {SUBJECT} FROM cf_subjects WHERE subject = ?"
_CLIENT: Final = "SELECT version FROM cf_clients WHERE client_id = ?"
_OF_SUBJECT: Final = f"SELECT {SESSION} FROM cf_sessions WHERE subject = ? ORDER BY created_at, id"


# To read a row is half the cost of a look-up, to make a record of it the other half; the same row
# makes the same record.
@lru_cache(maxsize=2048)
def found_of(row: Row) -> Found:
    """What a look-up's row says."""
    return Found(session_of(row), subject_of(row[1], row[SESSION_WIDTH:]))


async def look_up(rows: Reading, session_id: str) -> Found | None:
    if not is_storable(session_id):
        return None
    row = await rows.one(LOOK_UP, (session_id,))
    return None if row is None else found_of(row)


async def subject(rows: Reading, subject: str) -> SubjectState:
    row = await rows.one(_SUBJECT, (subject,)) if is_storable(subject) else None
    return subject_of(subject, row)


async def client(rows: Reading, client_id: str) -> ClientState:
    row = await rows.one(_CLIENT, (client_id,)) if is_storable(client_id) else None
    return ClientState(client_id=client_id, version=row[0] if row else 0)


async def sessions(rows: Reading, query: SessionQuery) -> list[Session]:
    """Pages by (created_at, id), so a page costs what it holds, not what lies before it.

    `before` counts for its place alone: it may have ended since, and so be asked for no longer.
    """
    asked = [text for text in (query.subject, query.client_id, query.before) if text is not None]
    if not all(map(is_storable, asked)):
        return []
    wheres: list[str] = []
    values: list[Value] = []
    for where, value in (
        ("subject = ?", query.subject),
        ("client_id = ?", query.client_id),
        ("(created_at, id) < (SELECT created_at, id FROM cf_sessions WHERE id = ?)", query.before),
    ):
        if value is not None:
            wheres.append(where)
            values.append(value)
    if query.opened_before is not None:
        wheres.append("created_at < ?")
        values.append(micros(query.opened_before))
    if query.live_at is not None:
        wheres.append("ended_at IS NULL AND absolute_end > ? AND last_seen_at + idle > ?")
        values += [micros(query.live_at)] * 2
    where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
    statement = (
        f"SELECT {SESSION} FROM cf_sessions {where} ORDER BY created_at DESC, id DESC LIMIT ?"
    )
    limit = max(0, min(query.limit, LARGEST))
    return [session_of(row) for row in await rows.all(statement, (*values, limit))]


async def all_of_subject(rows: Reading, subject_: str) -> tuple[SubjectState, list[Session]]:
    """In one snapshot, or under the lock of a transaction."""
    if not is_storable(subject_):
        return subject_of(subject_, None), []
    found = [session_of(row) for row in await rows.all(_OF_SUBJECT, (subject_,))]
    return subject_of(subject_, await rows.one(_SUBJECT, (subject_,))), found
