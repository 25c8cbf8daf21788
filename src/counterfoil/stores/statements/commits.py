"""What is written: the one conditional commit, and the notes that no record depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from counterfoil.stores.statements import trail
from counterfoil.stores.statements.records import SESSION, SESSION_WIDTH, micros, session_row
from counterfoil.stores.statements.records import micros_or_none as or_none

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from counterfoil.ports import Commit
    from counterfoil.session import Session
    from counterfoil.status_change import StatusChange
    from counterfoil.stores.rows import Transaction
    from counterfoil.subject import ClientState, SubjectState

# What the beginning of a session fixed, which is also what the indices hold.
_FIXED: Final = ("id", "subject", "client_id", "created_at", "absolute_end")
_MOVING: Final = [name for name in SESSION.split(", ") if name not in (*_FIXED, "last_seen_at")]

_OPEN: Final = (
    f"INSERT INTO cf_sessions ({SESSION}) VALUES ({', '.join('?' * SESSION_WIDTH)})"
    " ON CONFLICT (id) DO NOTHING"
)
_REPLACE: Final = (
    f"UPDATE cf_sessions SET {', '.join(f'{name} = ?' for name in _MOVING)},"
    " last_seen_at = CASE WHEN last_seen_at > ? THEN last_seen_at ELSE ? END"
    " WHERE id = ? AND version = ?"
)
_TOUCH: Final = (
    "UPDATE cf_sessions SET last_seen_at = ? WHERE id = ? AND ended_at IS NULL AND last_seen_at < ?"
)
_FIRST_SUBJECT: Final = (
    "INSERT INTO cf_subjects (version, epoch, claims_version, suspended_at, subject)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject) DO NOTHING"
)
_NEXT_SUBJECT: Final = (
    "UPDATE cf_subjects SET version = ?, epoch = ?, claims_version = ?, suspended_at = ?"
    " WHERE subject = ? AND version = ?"
)
# Names of locks. Whoever writes records shares that of the epoch, and whoever opens or renews a
# session that of its client; they belong to whoever ends all of them alone: then nobody's commit is
# under way that nobody has seen, or that holds some of the rows and waits for others. Those of
# clients come first, as their names have it.
EPOCH: Final = "epoch"
_FIRST_CLIENT: Final = (
    "INSERT INTO cf_clients (version, client_id) VALUES (?, ?) ON CONFLICT (client_id) DO NOTHING"
)
_NEXT_CLIENT: Final = "UPDATE cf_clients SET version = ? WHERE client_id = ? AND version = ?"
_CLIENT: Final = "SELECT version FROM cf_clients WHERE client_id = ?"
_EPOCH: Final = "SELECT epoch FROM cf_feed"
_MOVE: Final = "UPDATE cf_feed SET number = number + ?"
_NUMBER: Final = f"{_MOVE} RETURNING number"
_CHANGE: Final = "INSERT INTO cf_changes (number, list_id, position, status) VALUES (?, ?, ?, ?)"


class ExpectationFailed(Exception):
    """A record has moved; raised inside a transaction it undoes what was written there."""


async def write(transaction: Transaction, commit: Commit) -> None:
    """Writes it, or raises `ExpectationFailed`. For a transaction that writes more than this."""
    if not await _write_records(transaction, commit):
        raise ExpectationFailed
    if commit.changes:
        await _number(transaction, commit.changes)
    elif commit.moves_feed:
        await transaction.run(_MOVE, (1,))
    await trail.append(transaction, commit.events)


async def touch(transaction: Transaction, session_id: str, at: datetime) -> None:
    await transaction.run(_TOUCH, (micros(at), session_id, micros(at)))


async def _write_records(transaction: Transaction, commit: Commit) -> bool:
    """Always in the same order, so that no two commits wait for each other. So does who reads or
    moves several tables: sessions, subjects, clients, feed, backup, lists, changes, events."""
    await transaction.lock(*map(_lock_of, commit.clients))
    await transaction.lock(*map(_lock_of, commit.unchanged), EPOCH, shared=True)
    for session in sorted(commit.sessions, key=lambda session: session.id):
        if not await _write_session(transaction, session):
            return False
    for subject in sorted(commit.subjects, key=lambda state: state.subject):
        if not await _write_subject(transaction, subject):
            return False
    for client in commit.clients:
        if not await _write_client(transaction, client):
            return False
    for client in commit.unchanged:
        row = await transaction.one(_CLIENT, (client.client_id,))
        if (row[0] if row else 0) != client.version:
            return False
    return commit.epoch is None or await transaction.one(_EPOCH) == (commit.epoch,)


def _lock_of(client: ClientState) -> str:
    return f"client {client.client_id}"


async def _write_session(transaction: Transaction, session: Session) -> bool:
    row = session_row(session)
    if session.version == 1:
        return await transaction.run(_OPEN, tuple(row.values())) == 1
    values = (row[name] for name in _MOVING)
    seen, expected = row["last_seen_at"], session.version - 1
    return await transaction.run(_REPLACE, (*values, seen, seen, session.id, expected)) == 1


async def _write_subject(transaction: Transaction, state: SubjectState) -> bool:
    values = (state.version, state.epoch, state.claims_version, or_none(state.suspended_at))
    if state.version == 1:
        return await transaction.run(_FIRST_SUBJECT, (*values, state.subject)) == 1
    expected = (state.subject, state.version - 1)
    return await transaction.run(_NEXT_SUBJECT, (*values, *expected)) == 1


async def _write_client(transaction: Transaction, state: ClientState) -> bool:
    if state.version == 1:
        return await transaction.run(_FIRST_CLIENT, (1, state.client_id)) == 1
    values = (state.version, state.client_id, state.version - 1)
    return await transaction.run(_NEXT_CLIENT, values) == 1


async def _number(transaction: Transaction, changes: Sequence[StatusChange]) -> None:
    """Under the lock of the feed's one row, held to the end: no gap, and in commit order."""
    [(last,)] = await transaction.all(_NUMBER, (len(changes),))
    numbered = enumerate(changes, start=last - len(changes) + 1)
    await transaction.run_many(
        _CHANGE, [(number, c.list_id, c.index, c.status) for number, c in numbered]
    )
