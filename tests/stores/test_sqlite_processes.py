from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from counterfoil.drive import drive
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import NOW, a_session, found, opened
from forking import BOTH_SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.status_change import StatusChange

COMMITS: Final = 200
BEGINNING: Final = """
import json, os, sys, threading
from counterfoil.drive import drive
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import NOW, a_session, an_index, opened, revoke

store = SqliteStore(sys.argv[1]).blocking()
name, commits = sys.argv[2], int(sys.argv[3])
"""
WRITES: Final = """
def write(thread):
    for number in range(commits // 2):
        session = a_session(f"{name}-{thread}-{number}", subject=name + thread)
        index = drive(an_index(store))
        drive(opened(store, a_session(session.id, subject=session.subject, indices=(index,))))
        drive(revoke(store, session.id))

threads = [threading.Thread(target=write, args=(thread,)) for thread in "ab"]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
drive(store.close())
"""
FOLLOWS: Final = """
position, seen = None, []
while len(seen) < commits:
    read = drive(store.feed(position, now=NOW))
    assert len(read.changes) == read.position.number - (read.after.number if read.after else 0)
    lists = [known.id for known in read.lists]
    assert all(change.list_id in lists for change in read.changes)
    seen += [(change.list_id, change.index) for change in read.changes]
    position = read.position
print(json.dumps(seen))
"""
FORKS: Final = f"""
drive(opened(store, a_session("before")))
reading = threading.Event()
def read_on():
    while not reading.is_set():
        assert drive(store.look_up("before"))
readers = [threading.Thread(target=read_on) for _ in range(2)]
for reader in readers:
    reader.start()
{BOTH_SIDES}
codes = [os.waitpid(pid, 0)[1] for pid in children]
reading.set()
for reader in readers:
    reader.join()
drive(opened(store, a_session("after", subject="parent")))
print(json.dumps(codes))
"""


def started(script: str, path: Path, name: str, commits: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGINNING + script]
    command += [str(path), name, str(commits)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finished(*processes: subprocess.Popen[str]) -> list[str]:
    """What each said, when all have come to a good end."""
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path).blocking()
    yield store
    drive(store.close())


def everything(store: SqliteStore) -> tuple[list[StatusChange], int, list[Any]]:
    read = drive(store.feed(None, now=NOW))
    lines = drive(store.trail(limit=10**6))
    return list(read.changes), read.position.number, [line.event for line in lines]


def test_no_commit_of_two_processes_is_lost_and_no_number_skipped(
    path: Path, store: SqliteStore
) -> None:
    """Two that write at once, with two threads each, leave one gap-free order of changes; a third
    that follows the feed meanwhile has seen each of them, in that order."""
    follower = started(FOLLOWS, path, "follower", 2 * COMMITS)
    writers = [started(WRITES, path, name, COMMITS) for name in ("one", "two")]
    *_, seen = finished(*writers, follower)
    changes, number, events = everything(store)
    assert number == len(changes) == 2 * COMMITS
    assert len({(change.list_id, change.index) for change in changes}) == 2 * COMMITS
    assert json.loads(seen) == [[change.list_id, change.index] for change in changes]
    assert len({event.session_id for event in events}) == 2 * COMMITS
    for session_id in (f"one-a-{COMMITS // 2 - 1}", "two-b-0"):
        assert drive(found(store, session_id)).session.ended_at == NOW
    assert drive(store.subject("twob")).version == COMMITS


def test_processes_that_start_at_once_make_one_database(path: Path) -> None:
    """Whoever comes first makes the tables; nobody finds them half made."""
    finished(*(started(WRITES, path, f"p{number}", 2) for number in range(4)))
    store = SqliteStore(path).blocking()
    changes, number, _ = everything(store)
    assert number == len(changes) == 8
    drive(store.close())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_may_fork_with_the_store_open(path: Path, store: SqliteStore) -> None:
    """While other threads read, and between writes: parent and children go on with the same
    store, each over connections of its own, and nothing that either wrote is lost."""
    [codes] = finished(started(FORKS, path, "parent", 12))
    assert json.loads(codes) == [0] * 12
    for number in range(12):
        drive(found(store, f"child-{number}"))
        drive(found(store, f"parent-{number}"))
    drive(found(store, "after"))
    assert drive(store.subject("parent")).version == 13
    assert drive(store.rows.one("PRAGMA integrity_check")) == ("ok",)
    drive(opened(store, a_session()))
