"""Very many people who are signed in, made directly in the store of a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from counterfoil import SqliteStore
from counterfoil.drive import drive
from counterfoil.ports import Commit
from counterfoil.subject import SubjectState
from counterfoil.testing.records import a_session

if TYPE_CHECKING:
    import live

BATCH: Final = 5_000
DEVICES: Final = ("Firefox on Linux", "Chrome on Android", "Safari on iOS", "curl")
CLIENTS: Final = ("web", "api", "partner")


def crowd(site: live.Site, count: int, *, name: str = "crowd") -> None:
    """So many sessions, one a second until a moment ago, each of a subject of its own."""
    store = SqliteStore(site.data / "counterfoil.db").blocking()
    now = datetime.now(UTC)
    try:
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            sessions = tuple(
                replace(
                    a_session(f"{name}-{number:07}"),
                    subject=f"{name}-{number}",
                    client_id=CLIENTS[number % len(CLIENTS)],
                    device=DEVICES[number % len(DEVICES)],
                    created_at=now - timedelta(seconds=count - number),
                    last_seen_at=now,
                    absolute_end=now + timedelta(days=30),
                    idle=timedelta(days=7),
                )
                for number in numbers
            )
            subjects = tuple(SubjectState(subject=each.subject, version=1) for each in sessions)
            assert drive(store.commit(Commit(sessions=sessions, subjects=subjects)))
    finally:
        drive(store.close())
