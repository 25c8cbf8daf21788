from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import a_session, opened

if TYPE_CHECKING:
    from pathlib import Path

WRITES: Final = """
import sys
from counterfoil import SqliteStore
from counterfoil.drive import drive
from counterfoil.testing.records import a_session, opened

drive(opened(SqliteStore(sys.argv[1]).blocking(), a_session(sys.argv[2])))
"""


def written_elsewhere(path: Path, name: str) -> None:
    """By another process."""
    subprocess.run([sys.executable, "-c", WRITES, path, name], check=True)


async def test_another_process_moves_the_hint(store: SqliteStore, path: Path) -> None:
    """As soon as its commit can be read."""
    hint = store.hint()
    written_elsewhere(path, "s-1")
    assert store.hint() != hint
    assert await store.look_up("s-1") is not None


async def test_who_waits_is_woken_by_another_process(store: SqliteStore, path: Path) -> None:
    """At its first write to the log; what it commits moves the hint a moment later."""
    hint = store.hint()
    writing = threading.Thread(target=written_elsewhere, args=(path, "s-1"))
    began = time.monotonic()
    writing.start()
    while not store.wait(hint, 20):
        assert time.monotonic() - began < 20
    writing.join()
    assert store.hint() != hint


async def test_a_new_connection_is_another_hint(store: SqliteStore) -> None:
    """What one connection counted says nothing about another's count."""
    hint = store.hint()
    with store.rows.database.let_go():
        pass
    assert store.hint() != hint


def test_after_a_fork_the_hint_is_another(path: Path) -> None:
    """In the child, which has a connection of its own then, and in the parent."""
    store = SqliteStore(path)
    hint = store.hint()
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        other = store.hint()
        os._exit(0 if other != hint and store.hint() == other else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert store.hint() != hint
    drive(store.close())


async def test_what_cannot_be_hinted_is_said_and_mended(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error leads to a new connection, and so to another hint."""
    hint = store.hint()
    failing = sqlite3.OperationalError("disk I/O error")
    failing.sqlite_errorcode, failing.sqlite_errorname = sqlite3.SQLITE_IOERR, "SQLITE_IOERR"

    class Broken:
        def execute(self, _: str) -> None:
            raise failing

        def close(self) -> None:
            pass

    monkeypatch.setattr(store.rows.database._hinter, "connection", Broken())  # noqa: SLF001 - as it breaks
    with pytest.raises(StoreUnavailable, match="SQLITE_IOERR"):
        store.hint()
    assert store.hint() != hint


def test_a_closed_store_hints_nothing(path: Path) -> None:
    """It says so; and who still waits is let go."""
    store = SqliteStore(path)
    drive(opened(store.blocking(), a_session()))
    hint = store.hint()
    drive(store.close())
    with pytest.raises(StoreUnavailable, match="closed"):
        store.hint()
    assert store.wait(hint, 0.001) in {True, False}
