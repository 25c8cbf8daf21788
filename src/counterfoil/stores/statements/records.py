"""Records to rows and back. A row's order is that of the columns named here."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from counterfoil.events import Event
from counterfoil.session import Session, StatusIndex
from counterfoil.status_list import StatusList
from counterfoil.subject import SubjectState

if TYPE_CHECKING:
    from counterfoil.stores.rows import Row, Value

SESSION: Final = (
    "id, subject, client_id, version, created_at, auth_time, last_seen_at, absolute_end, idle,"
    " generation, handle_digest, spent_at, claims, claims_version, indices, access_until, device,"
    " ended_at, ended_because, address"
)
SESSION_WIDTH: Final = SESSION.count(",") + 1
SUBJECT: Final = "version, epoch, claims_version, suspended_at"
LIST: Final = "id, size, opens_at, closes_at, dropped_at"
EVENT: Final = "kind, at, subject, session_id, client_id, detail"

LARGEST: Final = 2**63 - 1  # of an integer in a database
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_storable(text: str) -> bool:
    """Whether a database can hold this text at all; what it cannot hold is not there."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def micros(moment: datetime) -> int:
    return span_micros(moment - _START)


def span_micros(span: timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def micros_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def moment_of(value: int) -> datetime:
    return _START + timedelta(0, 0, value)  # by place: by name it takes twice as long


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment_of(value)


def json_of(value: Any) -> str:
    """ASCII whatever is in it: no text that a caller sends is one that a database refuses."""
    return json.dumps(value, separators=(",", ":"))


def session_row(session: Session) -> dict[str, Value]:
    return {
        "id": session.id,
        "subject": session.subject,
        "client_id": session.client_id,
        "version": session.version,
        "created_at": micros(session.created_at),
        "auth_time": micros(session.auth_time),
        "last_seen_at": micros(session.last_seen_at),
        "absolute_end": micros(session.absolute_end),
        "idle": span_micros(session.idle),
        "generation": session.generation,
        "handle_digest": session.handle_digest,
        "spent_at": json_of([micros(moment) for moment in session.spent_at]),
        "claims": json_of(dict(session.claims)),
        "claims_version": session.claims_version,
        "indices": json_of(
            [(i.list_id, i.index, i.claims_version, micros(i.until)) for i in session.indices]
        ),
        "access_until": micros_or_none(session.access_until),
        "device": json_of(session.device),
        "ended_at": micros_or_none(session.ended_at),
        "ended_because": session.ended_because,
        "address": json_of(session.address),
    }


def session_of(row: Row) -> Session:
    return Session(
        id=row[0],
        subject=row[1],
        client_id=row[2],
        version=row[3],
        created_at=moment_of(row[4]),
        auth_time=moment_of(row[5]),
        last_seen_at=moment_of(row[6]),
        absolute_end=moment_of(row[7]),
        idle=timedelta(0, 0, row[8]),
        generation=row[9],
        handle_digest=row[10],
        spent_at=() if row[11] == "[]" else tuple(map(moment_of, json.loads(row[11]))),
        claims=json.loads(row[12]),
        claims_version=row[13],
        indices=() if row[14] == "[]" else tuple(map(index_of, json.loads(row[14]))),
        access_until=moment_or_none(row[15]),
        device=json.loads(row[16]),
        ended_at=moment_or_none(row[17]),
        ended_because=row[18],
        address=json.loads(row[19]),
    )


def index_of(entry: list[Any]) -> StatusIndex:
    list_id, index, claims_version, until = entry
    return StatusIndex(list_id, index, claims_version, moment_of(until))


def subject_of(subject: str, row: Row | None) -> SubjectState:
    """The subject's state; of one never seen where the row is absent or empty."""
    if row is None or row[0] is None:
        return SubjectState(subject=subject)
    return SubjectState(
        subject=subject,
        version=row[0],
        epoch=row[1],
        claims_version=row[2],
        suspended_at=moment_or_none(row[3]),
    )


def list_row(status_list: StatusList) -> tuple[Value, ...]:
    return (
        status_list.id,
        status_list.size,
        micros(status_list.opens_at),
        micros(status_list.closes_at),
        micros(status_list.dropped_at),
    )


def list_of(row: Row) -> StatusList:
    return StatusList(
        id=row[0],
        size=row[1],
        opens_at=moment_of(row[2]),
        closes_at=moment_of(row[3]),
        dropped_at=moment_of(row[4]),
    )


def event_row(event: Event) -> tuple[Value, ...]:
    return (
        event.kind,
        micros(event.at),
        event.subject,
        event.session_id,
        event.client_id,
        json_of(dict(event.detail)),
    )


def event_of(row: Row) -> Event:
    return Event(
        kind=row[0],
        at=moment_of(row[1]),
        subject=row[2],
        session_id=row[3],
        client_id=row[4],
        detail=json.loads(row[5]),
    )
