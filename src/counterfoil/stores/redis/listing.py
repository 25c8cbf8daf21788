"""Sessions listed: page by page from every shard, newest first."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from counterfoil.stores.redis.records import name_of, sessions_of, subject_of
from counterfoil.stores.redis.shards import shard_of
from counterfoil.stores.statements.records import micros

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.ports import SessionQuery
    from counterfoil.session import Session
    from counterfoil.stores.redis.place import Shards
    from counterfoil.subject import SubjectState

_PAGE: Final = 500


def all_of_subject(shards: Shards, subject: str) -> tuple[SubjectState, list[Session]]:
    """From one step on the shard, in which nothing else is done."""
    shard = shard_of(subject, shards.count)
    leap, record, *told = shards.run(shard, "subject", name_of(subject), "1", again=True)
    return subject_of(subject, record, leap), sessions_of(leap, told)


def sessions(shards: Shards, query: SessionQuery, *, last: Session | None) -> list[Session]:
    """last: the session that the query is before, which counts for its place alone."""
    if query.subject is not None:
        _, own = all_of_subject(shards, query.subject)
        of_all = iter(sorted(own, key=_age, reverse=True))
    else:
        pages = (_of_shard(shards, shard, query, last) for shard in range(shards.count))
        of_all = heapq.merge(*pages, key=_age, reverse=True)
    chosen: list[Session] = []
    if query.limit <= 0:
        return chosen
    for session in of_all:
        if _is_asked_for(session, query) and (last is None or _age(session) < _age(last)):
            chosen.append(session)
            if len(chosen) == query.limit:
                break
    return chosen


def _of_shard(
    shards: Shards, shard: int, query: SessionQuery, last: Session | None
) -> Iterator[Session]:
    client = "" if query.client_id is None else name_of(query.client_id)
    if client == b"":
        return
    created, session_id = _start(query, last)
    with_ended = "1" if query.live_at is None else ""
    many = min(_PAGE, max(query.limit, 1))
    while True:
        leap, created, session_id, *told = shards.run(
            shard, "page", client, with_ended, many, created, session_id, again=True
        )
        if not created:
            return
        yield from sessions_of(leap, told)


def _start(query: SessionQuery, last: Session | None) -> tuple[str, bytes]:
    """The place before which the list begins; empty for its very beginning."""
    places = [] if last is None else [_age(last)]
    if query.opened_before is not None:
        places.append((micros(query.opened_before), b""))
    created, session_id = min(places, default=("", b""))
    return str(created), session_id


def _age(session: Session) -> tuple[int, bytes]:
    return micros(session.created_at), name_of(session.id)


def _is_asked_for(session: Session, query: SessionQuery) -> bool:
    until = query.opened_before
    return (
        query.client_id in (None, session.client_id)
        and (until is None or micros(session.created_at) < micros(until))
        and (query.live_at is None or session.is_live(now=query.live_at))
    )
