"""The database, opened so that nothing in it or beside it can change."""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from counterfoil.cli.doctor.finding import Finding, ok, unseen, warning, wrong
from counterfoil.errors import StoreUnavailable
from counterfoil.server.composition import TABLES
from counterfoil.server.sessions_moving import sessions_moved_from
from counterfoil.status_change import Position
from counterfoil.stores.migrations import STORE, is_breaking, migrations_in
from counterfoil.stores.rows import Reading, Transaction
from counterfoil.stores.sqlite_writer import SqliteReading
from counterfoil.stores.witness_files import WitnessFiles

T = TypeVar("T")
LONGEST_CHECK: Final = 20.0  # seconds
_STEPS: Final = 100_000  # of SQLite's machine between looks at the clock
_FORMAT: Final = slice(18, 20)  # of the header: how it is written and how read
_LOGGED: Final = b"\x02\x02"
_RESTORE: Final = "Restore the data folder from a backup, and revoke all sessions then."


class ReadOnlyRows(SqliteReading):
    """`Rows` over a connection that can only read."""

    dialect = "sqlite"
    suspends = False
    waits_aside = False

    async def aside(self, step: Callable[[], T]) -> T:
        return step()

    def hint(self) -> object:
        return None

    def wait(self, hint: object, seconds: float) -> bool:
        del hint, seconds
        return False

    async def snapshot(self, body: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        return await body(self)

    async def transaction(
        self,
        body: Callable[[Transaction], Coroutine[Any, Any, T]],
        *,
        durable: bool = True,
        patient: bool = False,
    ) -> T:
        del body, durable, patient
        raise StoreUnavailable("The doctor changes nothing.")


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Where no server has it open, it is read as a file that nobody changes: otherwise SQLite
    would put its log beside it, under this user's name. Where one has or was killed, its shared
    memory is only read: a reader would make its marks there, the first one write it anew."""
    has_log = _beside(path, "-shm").exists()
    how = "readonly_shm=1" if has_log else "immutable=1"
    place = f"file:{quote(str(path.absolute()))}?mode=ro&{how}"
    with closing(sqlite3.connect(place, uri=True, timeout=5)) as connection:
        connection.execute("PRAGMA query_only = ON")
        yield connection


def findings(path: Path, connection: sqlite3.Connection) -> Iterator[Finding]:
    yield _logged(path)
    yield _private(path)
    sound = _sound(connection)
    yield sound
    if sound.level != "wrong":
        yield from _current(connection)


def _logged(path: Path) -> Finding:
    with path.open("rb") as file:
        head = file.read(_FORMAT.stop)
    if head[_FORMAT] != _LOGGED:
        return warning(
            "database-log",
            "The database does not keep a write-ahead log.",
            "Start the server, which changes that; until then a write blocks every read.",
        )
    log = _beside(path, "-wal")
    if log.exists() and log.stat().st_size and not _beside(path, "-shm").exists():
        return warning(
            "database-log",
            f"{log.name} holds what is not in {path.name} yet; it was not looked at.",
            "Leave it there, and start the server, which takes it over.",
        )
    return ok("database-log", "It keeps a write-ahead log; what is acknowledged is on the disk.")


def _private(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warning(
            "database-private",
            f"{path.name} has the mode {mode:04o}: it holds identifiers and password hashes.",
            f"Run chmod 600 {path}.",
        )
    return ok("database-private", f"{path.name} has the mode {mode:04o}.")


def _sound(connection: sqlite3.Connection) -> Finding:
    """SQLite's own check, for as long as one may wait."""
    end = time.monotonic() + LONGEST_CHECK
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        lines = connection.execute("PRAGMA quick_check(3)").fetchall()
    except sqlite3.DatabaseError as why:
        if getattr(why, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            return unseen("database-sound", f"The whole database: {LONGEST_CHECK:.0f} s were over.")
        return wrong("database-sound", f"The database cannot be read: {why}.", _RESTORE)
    finally:
        connection.set_progress_handler(None, 0)
    if lines != [("ok",)]:
        return wrong("database-sound", f"The database is damaged: {lines[0][0]}", _RESTORE)
    return ok("database-sound", "SQLite finds nothing wrong with the database.")


def _current(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Whether this version has made its tables, and no newer one."""
    try:
        sql = "SELECT component, number, checksum FROM cf_migrations"
        recorded = {(row[0], row[1]): row[2] for row in connection.execute(sql)}
    except sqlite3.OperationalError:
        mend = "Start counterfoil serve, which makes them."
        yield wrong("database-current", "The database has none of Counterfoil's tables.", mend)
        return
    yield current(recorded, "sqlite")


def current(recorded: dict[tuple[str, int], str], dialect: str) -> Finding:
    """The same, by what is recorded: component and number, and the checksum."""
    known = {
        (component, migration.number): migration.checksum
        for component, package in (("store", STORE), ("server", TABLES))
        for migration in migrations_in(f"{package}.{dialect}")
    }
    later = sorted(recorded.keys() - known.keys())
    newer = [key for key in later if is_breaking(recorded[key])]
    other = sorted(key for key in recorded.keys() & known.keys() if recorded[key] != known[key])
    behind = sorted(known.keys() - recorded.keys())
    if newer or other:
        return wrong(
            "database-current",
            f"Another version has changed the tables: {_named([*newer, *other])}.",
            "Install that version of Counterfoil, or a newer one.",
        )
    if behind:
        return warning(
            "database-current",
            f"The tables are of an older version; to come: {_named(behind)}.",
            "Back the folder up, then start counterfoil serve, which brings them up to date.",
        )
    if later:
        return ok(
            "database-current", "Its tables are of a newer version, and this one can use them."
        )
    return ok("database-current", "Its tables are those of this version.")


def declared(path: Path, connection: sqlite3.Connection) -> Finding:
    """Whether it is as far as it is known to have come. For a database whose tables are current."""
    if sessions_moved_from(connection):
        return unseen("database-declared", "How far the sessions have come: they are elsewhere.")
    position = Position(*connection.execute("SELECT epoch, number FROM cf_feed").fetchone())
    noted = WitnessFiles(path.parent / "keys").noted(position.store)
    (is_copy,) = connection.execute("SELECT count(*) FROM cf_backup").fetchone()
    if is_copy or (noted is not None and position.is_behind(noted)):
        return wrong(
            "database-declared",
            "The database was put back from a copy, and nobody has declared that.",
            "Run counterfoil restore --declare: it ends all sessions, and the server goes on.",
        )
    return ok("database-declared", "It has come as far as it is known to have come.")


def _named(migrations: list[tuple[str, int]]) -> str:
    return ", ".join(f"{component} {number}" for component, number in migrations)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
