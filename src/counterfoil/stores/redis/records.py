"""Records to bytes and back. A session's is a head, which scripts read too, and a rest.

What was written before the last restore that was declared is of an earlier leap: it stands further
on than it says, and a session that was open then has ended.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from counterfoil.events import Event
from counterfoil.ports import Found
from counterfoil.session import Session
from counterfoil.status_change import StatusChange
from counterfoil.status_list import StatusList
from counterfoil.stores.statements.epochs import LEAP
from counterfoil.stores.statements.records import (
    index_of,
    json_of,
    micros,
    micros_or_none,
    moment_of,
    moment_or_none,
    span_micros,
)
from counterfoil.subject import SubjectState

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD: Final = struct.Struct(">IQBqI")  # leap, version, whether ended, last use, length of the name
_REST: Final = struct.Struct(">qqqqQIqqB")
_SUBJECT: Final = struct.Struct(">IQQQq")
_NONE: Final = -(2**63)


def name_of(text: str) -> bytes:
    """Any text, as it is found again; scripts compare it byte by byte, which is the same order."""
    return text.encode("utf-8", "surrogatepass")


def text_of(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")


def session_record(session: Session) -> bytes:
    subject = name_of(session.subject)
    ended_at = micros_or_none(session.ended_at)
    head = _HEAD.pack(
        0, session.version, ended_at is not None, micros(session.last_seen_at), len(subject)
    )
    rest = _REST.pack(
        micros(session.created_at),
        micros(session.auth_time),
        micros(session.absolute_end),
        span_micros(session.idle),
        session.claims_version,
        session.generation,
        _moment(micros_or_none(session.access_until)),
        _moment(ended_at),
        len(session.handle_digest),
    )
    texts = json_of(
        [
            session.client_id,
            session.device,
            session.ended_because,
            [micros(moment) for moment in session.spent_at],
            dict(session.claims),
            [(i.list_id, i.index, i.claims_version, micros(i.until)) for i in session.indices],
            session.address,
        ]
    )
    return b"".join((head, subject, rest, session.handle_digest, texts.encode()))


def session_of(session_id: str, record: bytes, leap: int, ending: bytes) -> Session:
    """ending: by what restore it ended, if it is of an earlier leap; moment and reason."""
    written, version, _, seen, length = _HEAD.unpack_from(record)
    start = _HEAD.size + length
    subject = text_of(record[_HEAD.size : start])
    created, auth, end, idle, claims_version, generation, access, ended, digest = _REST.unpack_from(
        record, start
    )
    start += _REST.size
    texts = json.loads(record[start + digest :])
    session = Session(
        id=session_id,
        subject=subject,
        client_id=texts[0],
        version=version + (leap - written) * LEAP,
        created_at=moment_of(created),
        auth_time=moment_of(auth),
        last_seen_at=moment_of(seen),
        absolute_end=moment_of(end),
        idle=timedelta(0, 0, idle),
        generation=generation,
        handle_digest=record[start : start + digest],
        spent_at=tuple(map(moment_of, texts[3])),
        claims=texts[4],
        claims_version=claims_version,
        indices=tuple(map(index_of, texts[5])),
        access_until=moment_or_none(_value(access)),
        device=texts[1],
        address=texts[6] if len(texts) > 6 else "",  # noqa: PLR2004 - the version before wrote six
        ended_at=moment_or_none(_value(ended)),
        ended_because=texts[2],
    )
    if session.ended_at is not None:
        return replace(session, version=version)  # as it was; nobody commits on it any more
    if not ending:
        return session
    at, _, because = ending.partition(b" ")
    return session.revoked(now=moment_of(int(at)), because=text_of(because))


def sessions_of(leap: int, told: Sequence[bytes]) -> list[Session]:
    """Of each its id, its record, and by what restore it ended."""
    return [
        session_of(text_of(told[place]), told[place + 1], leap, told[place + 2])
        for place in range(0, len(told), 3)
    ]


# To make a record of what was read is most of the cost of a look-up; the same bytes make the same.
@lru_cache(maxsize=2048)
def found_of(session_id: str, record: bytes, ending: bytes, subject: bytes, leap: int) -> Found:
    """What a look-up found."""
    session = session_of(session_id, record, leap, ending)
    return Found(session, subject_of(session.subject, subject, leap))


def subject_record(state: SubjectState) -> bytes:
    return _SUBJECT.pack(
        0,
        state.version,
        state.epoch,
        state.claims_version,
        _moment(micros_or_none(state.suspended_at)),
    )


def subject_of(subject: str, record: bytes, leap: int) -> SubjectState:
    """The subject's state; of one never seen where the record is empty."""
    if not record:
        return SubjectState(subject=subject)
    written, version, epoch, claims_version, suspended = _SUBJECT.unpack(record)
    further = (leap - written) * LEAP
    return SubjectState(
        subject=subject,
        version=version + further,
        epoch=epoch + further,
        claims_version=claims_version,
        suspended_at=moment_or_none(_value(suspended)),
    )


def change_text(change: StatusChange) -> str:
    return json_of([change.list_id, change.index, change.status])


def change_of(text: bytes) -> StatusChange:
    return StatusChange(*json.loads(text))


def event_text(event: Event) -> str:
    return json_of(
        [
            event.kind,
            micros(event.at),
            event.subject,
            event.session_id,
            event.client_id,
            dict(event.detail),
        ]
    )


def event_of(text: bytes) -> Event:
    kind, at, subject, session_id, client_id, detail = json.loads(text)
    return Event(
        kind=kind,
        at=moment_of(at),
        subject=subject,
        session_id=session_id,
        client_id=client_id,
        detail=detail,
    )


def list_text(status_list: StatusList, place: int) -> str:
    """place: its place among all that were announced."""
    return json_of(
        [
            place,
            status_list.id,
            status_list.size,
            micros(status_list.opens_at),
            micros(status_list.closes_at),
            micros(status_list.dropped_at),
        ]
    )


def lists_of(texts: Sequence[bytes]) -> list[tuple[int, StatusList]]:
    """Each with its place, in the order in which they were announced."""
    return [(row[0], _list_of(row[1:])) for row in sorted(map(json.loads, texts))]


def _list_of(row: Sequence[Any]) -> StatusList:
    return StatusList(
        id=row[0],
        size=row[1],
        opens_at=moment_of(row[2]),
        closes_at=moment_of(row[3]),
        dropped_at=moment_of(row[4]),
    )


def _moment(value: int | None) -> int:
    return _NONE if value is None else value


def _value(moment: int) -> int | None:
    return None if moment == _NONE else moment
