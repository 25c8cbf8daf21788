"""The one conditional commit, as the script's arguments."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.stores.redis.records import (
    change_text,
    event_text,
    name_of,
    session_record,
    subject_record,
)
from counterfoil.stores.redis.shards import prefixes, shard_of
from counterfoil.stores.statements.records import micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from counterfoil.ports import Commit
    from counterfoil.session import Session
    from counterfoil.stores.redis.place import Shards
    from counterfoil.subject import ClientState, SubjectState

Argument = str | bytes | int
KEPT_BEYOND: Final = timedelta(minutes=10)
_NONCE_BITS: Final = 63
_HELD: Final = 1
_UNHEARD: Final = 2


def shard_of_commit(commit: Commit, shards: int) -> int:
    """In which shard all lies that it touches. Raises `ValueError` for one that touches several."""
    subjects = {each.subject for each in commit.sessions}
    subjects |= {each.subject for each in commit.subjects}
    touched = {shard_of(subject, shards) for subject in subjects} or {0}
    if commit.clients:
        touched.add(0)
    if len(touched) > 1:
        raise ValueError("A commit touches one shard: Store.shard says which.")
    return touched.pop()


def write(shards: Shards, commit: Commit, *, name: str) -> bool:
    """name: what this process tells those who listen."""
    shard = shard_of_commit(commit, shards.count)
    for session in commit.sessions:
        if session.version == 1:
            point(shards, session, shard)
    moves = bool(commit.changes) or commit.moves_feed
    arguments = tuple(_arguments(commit, shard, name if moves else ""))
    held = shards.run(shard, "commit", *arguments)
    if held == _UNHEARD:
        if not all(_has_heard(shards, shard, client) for client in commit.unchanged):
            return False
        # Still unheard of where the first shard has made a leap that this one is about to make.
        held = shards.run(shard, "commit", *arguments)
    if held == _HELD:
        for client in commit.clients:
            _hear(shards, client, range(1, shards.count))
    return bool(held == _HELD)


def expires(session: Session) -> int:
    """When the record goes by itself, in milliseconds: a while after its absolute end, so that who
    comes with it then is told that it has expired, by whatever clock."""
    return -(-micros(session.absolute_end + KEPT_BEYOND) // 1000)


def session_fields(session: Session) -> tuple[Argument, ...]:
    """A session, as scripts take it."""
    return (
        name_of(session.id),
        session.version,
        session_record(session),
        expires(session),
        micros(session.absolute_end),
        micros(session.created_at),
        name_of(session.client_id),
        name_of(session.subject),
    )


def subject_fields(state: SubjectState) -> tuple[Argument, ...]:
    """A subject, as scripts take it."""
    return name_of(state.subject), state.version, subject_record(state)


def client_fields(state: ClientState) -> tuple[Argument, ...]:
    """A client, as scripts take it."""
    return name_of(state.client_id), state.version


def _has_heard(shards: Shards, shard: int, client: ClientState) -> bool:
    """Tells a shard at which version a client is. False if it is at another one."""
    return _hear(shards, client, [shard]) == client.version


def _hear(shards: Shards, client: ClientState, told: Iterable[int]) -> int:
    """Tells shards what the first one says of a client; answers its version."""
    name = name_of(client.client_id)
    version, leap = shards.run(0, "client", name, again=True)
    for shard in told:
        shards.run(shard, "hear", name, version, leap, again=True)
    return int(version)


def point(shards: Shards, session: Session, shard: int) -> None:
    """Notes where a session lies that is not where its id says. If nothing comes of the commit it
    points to nothing."""
    said = shard_of(session.id, shards.count)
    if said == shard:
        return
    key = prefixes(shards.count)[said].encode() + b"p:" + name_of(session.id)
    until = expires(session)
    shards.ask(said, lambda client: client.set(key, str(shard), pxat=until), again=True)


def _arguments(commit: Commit, shard: int, name: str) -> Iterator[Argument]:
    told = [("c", change_text(change), "") for change in commit.changes]
    if commit.moves_feed and not told:
        told = [("m", "", "")]
    # A subject of no name is one, too.
    told += [
        ("e", event_text(event), "" if event.subject is None else f"={event.subject}")
        for event in commit.events
    ]
    yield from (commit.epoch or "", name, secrets.randbits(_NONCE_BITS), "" if shard else "1")
    yield from (len(commit.sessions), len(commit.subjects), len(commit.clients))
    yield from (len(commit.unchanged), len(told))
    for session in commit.sessions:
        yield from session_fields(session)
    for state in commit.subjects:
        yield from subject_fields(state)
    for client in (*commit.clients, *commit.unchanged):
        yield from client_fields(client)
    for kind, what, subject in told:
        yield from (kind, what, name_of(subject))
