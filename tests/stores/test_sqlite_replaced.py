from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.stores import sqlite_file
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import NOW, a_session, found, opened, revoke

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from typing import Any

    from counterfoil.stores.rows import Transaction

    Verb = Callable[[SqliteStore], Coroutine[Any, Any, object]]

VERBS: dict[str, Verb] = {
    "look_up": lambda store: store.look_up("s-1"),
    "sessions": lambda store: store.all_of_subject("user-1"),
    "feed": lambda store: store.feed(None, now=NOW),
    "commit": lambda store: opened(store, a_session("s-2")),
    "touch": lambda store: store.touch("s-1", NOW),
}
ELSEWHERE = "Another file is at"


@pytest.fixture
def kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """A store with a session in it, which looks at its file at every turn."""
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY", 0.0)
    store = SqliteStore(path).blocking()
    drive(opened(store, a_session()))
    yield store
    drive(store.close())


def another(tmp_path: Path) -> Path:
    """A database that was never in use here."""
    path = tmp_path / "another.db"
    drive(SqliteStore(path).close())
    return path


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_another_file_in_its_place_is_noticed(
    kept: SqliteStore, path: Path, tmp_path: Path, verb: Verb
) -> None:
    """What this process still has open is seen by nobody else: nothing is read from it or written
    to it any more, nor to the other, whose log it would not know."""
    other = another(tmp_path)
    before = other.read_bytes()
    path.rename(tmp_path / "former.db")
    other.rename(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=ELSEWHERE):
            drive(verb(kept))
        with pytest.raises(StoreUnavailable, match=ELSEWHERE):
            kept.hint()
    assert path.read_bytes() == before


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_a_file_that_is_gone_is_noticed(kept: SqliteStore, path: Path, verb: Verb) -> None:
    """It is not made anew under those who had it open."""
    path.unlink()
    with pytest.raises(StoreUnavailable, match=ELSEWHERE):
        drive(verb(kept))
    assert not path.exists()


def test_the_former_file_may_come_back(kept: SqliteStore, path: Path, tmp_path: Path) -> None:
    """Then it was never another one."""
    away = tmp_path / "former.db"
    path.rename(away)
    with pytest.raises(StoreUnavailable):
        drive(found(kept, "s-1"))
    away.rename(path)
    assert drive(revoke(kept, "s-1")).ended_at == NOW


def test_what_was_committed_to_a_file_that_left_is_not_acknowledged(
    kept: SqliteStore, path: Path, tmp_path: Path
) -> None:
    """It was moved away while the transaction ran; whether it will be found there nobody knows."""

    def move() -> None:
        path.rename(tmp_path / "former.db")

    async def moving(transaction: Transaction) -> None:
        await transaction.run("DELETE FROM cf_sessions")
        move()

    with pytest.raises(StoreUnavailable, match=ELSEWHERE):
        drive(kept.rows.transaction(moving))


def test_who_reads_for_the_first_time_opens_no_other_file(
    kept: SqliteStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread has a connection of its own; with another file it would take the log of the former
    for that one's, and what others still read there would fall apart."""
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY", 3600.0)
    drive(kept.look_up("s-1"))
    other = another(tmp_path)
    path.rename(tmp_path / "former.db")
    other.rename(path)
    with ThreadPoolExecutor(1) as thread, pytest.raises(StoreUnavailable, match=ELSEWHERE):
        thread.submit(drive, kept.look_up("s-1")).result()
    assert drive(kept.look_up("s-1")) is not None


def test_a_reader_looks_now_and_then(
    kept: SqliteStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five times a second: to look at each read would make it slower by a fifth."""
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY", 3600.0)
    drive(kept.look_up("s-1"))
    path.rename(tmp_path / "former.db")
    assert drive(kept.look_up("s-1")) is not None
    with pytest.raises(StoreUnavailable):
        drive(revoke(kept, "s-1"))
