"""Copies of a database: made while others use it, looked through, and put in its place.

A copy holds what was committed when it was begun, in one file, and says that it is a copy. To put
it in place is one transaction of the database that is there: others see the one or the other, and
none is left with a file that has gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.stores.sqlite_file import make_durable
from counterfoil.stores.statements.records import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    Progress = Callable[[int], None]

PAGES: Final = 2000  # in one step
PATIENCE: Final = 60.0  # seconds; others may be at something long
_HELD: Final = 128  # the byte of the shared memory that whoever has the database open has locked
_UNUSABLE: Final = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,  # its pages have another size
}


class Unusable(StoreUnavailable):
    """The file is no database, or is damaged beyond reading."""


def copy_out(database: Path, copy: Path, *, made_at: datetime, progress: Progress) -> None:
    """Makes `copy`, mode 0600, durable: the whole of a database that others may be using.

    progress: hears how many pages are done. Raises `ConfigurationError` for a copy that is there,
    and `StoreUnavailable`; then no copy is there.
    """
    _reserve(copy)
    part = copy.with_name(copy.name + ".part")
    try:
        part.unlink(missing_ok=True)  # of one that was killed
        _reserve(part)
        with opened(database) as source, opened(part) as target:
            source.execute("BEGIN")  # what is committed from now on is not in it
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            _copy(source, target, progress)
            source.execute("ROLLBACK")
            target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            if _has_mark(target):
                target.execute("DELETE FROM cf_backup")
                target.execute("INSERT INTO cf_backup (made_at) VALUES (?)", (micros(made_at),))
        _sync(part)
        part.replace(copy)
        make_durable(copy.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)
        raise


def copy_in(copy: Path, database: Path, *, progress: Progress) -> None:
    """Replaces all that a database holds by what a copy holds, in one transaction, durably.

    Raises `Unusable` for a database that cannot take it, and `StoreUnavailable`; then nothing has
    changed.
    """
    with opened(copy) as source, opened(database) as target:
        target.execute("PRAGMA synchronous = FULL")
        _copy(source, target, progress)


def require_sound(database: Path) -> None:
    """Raises `ConfigurationError` for what SQLite finds wrong with it."""
    with opened(database) as connection:
        found = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if found != [("ok",)]:
        raise ConfigurationError(f"{database} is damaged: {found[0][0].splitlines()[-1]}.")


def is_held(database: Path) -> bool:
    """Whether another process has it open. This one may not have it open."""
    try:
        descriptor = os.open(database.with_name(database.name + "-shm"), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _HELD)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that is there, with SQLite's errors told as ours."""
    place = f"file:{quote(str(path.absolute()))}?mode=rw"
    try:
        with contextlib.closing(
            sqlite3.connect(place, uri=True, timeout=PATIENCE, isolation_level=None)
        ) as connection:
            yield connection
    except sqlite3.DatabaseError as why:
        kind = Unusable if why.sqlite_errorcode & 0xFF in _UNUSABLE else StoreUnavailable
        raise kind(f"{path}: SQLite says {why.sqlite_errorname} ({why}).") from why


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, progress: Progress) -> None:
    """In one transaction of the target. Who writes to it meanwhile waits, who reads does not."""

    def step(_: int, remaining: int, total: int) -> None:
        progress(total - remaining)

    source.backup(target, pages=PAGES, progress=step, sleep=0.05)


def _has_mark(connection: sqlite3.Connection) -> bool:
    """Whether it can say that it is a copy; a version before this one could not."""
    sql = "SELECT count(*) FROM sqlite_master WHERE name = 'cf_backup'"
    return bool(connection.execute(sql).fetchone()[0])


def _reserve(path: Path) -> None:
    """Takes a name that is free, for the owner alone."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise ConfigurationError(f"Name another file: {path} is there already.") from None
    except OSError as why:
        raise ConfigurationError(f"Cannot write {path}: {why.strerror}.") from None


def _sync(path: Path) -> None:
    """Only of a file that SQLite has closed: to close another descriptor drops its locks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
