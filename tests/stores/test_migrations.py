from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import psycopg
import pytest

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.ports import SessionQuery
from counterfoil.stores import migrations
from counterfoil.stores.migrations import BREAKING, STORE, Migration, migrate, migrations_in
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.stores.statements.records import SESSION, session_row
from counterfoil.testing.records import a_session, found, opened
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.stores.rows import Transaction

AnyStore: TypeAlias = SqliteStore | PostgresStore
BEFORE: Final = SESSION.removesuffix(", address")  # the columns that the version before knows

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'x_%' ORDER BY name"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "sessions.db").blocking()
    yield store
    drive(store.close())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable folder for another component's migrations, x_migrations.sqlite."""
    folder = tmp_path / "x_migrations" / "sqlite"
    folder.mkdir(parents=True)
    for each in (folder, folder.parent):
        (each / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("x_migrations", "x_migrations.sqlite"):
        monkeypatch.delitem(sys.modules, name, raising=False)  # of the test before
    importlib.invalidate_caches()
    (folder / "0001_first.sql").write_text("-- Made first.\nCREATE TABLE x_one (id);\n")
    return folder


def migrate_x(store: SqliteStore) -> list[str]:
    drive(migrate(store.rows, component="x", package="x_migrations"))
    return [name for (name,) in drive(store.rows.all(TABLES))]


def test_another_component_keeps_its_own_tables(store: SqliteStore, package: Path) -> None:
    """It has its own numbers; each file is applied once, in order, and recorded."""
    (package / "0002_second.sql").write_text(
        "CREATE TABLE x_two (id); -- beside the first\nINSERT INTO x_two VALUES (1);\n"
    )
    (package / "notes.txt").write_text("Not a migration.")
    assert migrate_x(store) == ["x_one", "x_two"]
    assert migrate_x(store) == ["x_one", "x_two"]
    assert drive(store.rows.all("SELECT id FROM x_two")) == [(1,)]
    recorded = drive(store.rows.all("SELECT component, number FROM cf_migrations ORDER BY 1, 2"))
    own = [("store", migration.number) for migration in migrations_in(f"{STORE}.sqlite")]
    assert recorded == [*own, ("x", 1), ("x", 2)]


def test_a_later_migration_finds_what_is_there(store: SqliteStore, package: Path) -> None:
    """A file that is added is applied to a database in use, and touches nothing else."""
    drive(opened(store, a_session()))
    assert migrate_x(store) == ["x_one"]
    (package / "0002_second.sql").write_text("CREATE TABLE x_two (id);\n")
    assert migrate_x(store) == ["x_one", "x_two"]
    assert drive(found(store, "s-1")).session == a_session()


def test_a_migration_is_applied_whole_or_not_at_all(store: SqliteStore, package: Path) -> None:
    """One that breaks in the middle leaves no table and no record."""
    broken = package / "0002_second.sql"
    broken.write_text("CREATE TABLE x_two (id);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(StoreUnavailable):
        migrate_x(store)
    assert drive(store.rows.all(TABLES)) == [("x_one",)]
    broken.write_text("CREATE TABLE x_two (id);\n")
    assert migrate_x(store) == ["x_one", "x_two"]


def test_a_database_that_a_newer_version_made_is_refused(store: SqliteStore, package: Path) -> None:
    """Nobody writes to tables that they do not know, where the migration says so."""
    newer = package / "0002_second.sql"
    newer.write_text(f"{BREAKING}\nCREATE TABLE x_two (id);\n")
    migrate_x(store)
    newer.unlink()
    with pytest.raises(ConfigurationError, match=r"newer Counterfoil.* migration 2 of x"):
        migrate_x(store)


def test_a_node_of_the_version_before_can_start_again(store: SqliteStore, package: Path) -> None:
    """While others are upgraded already: what a migration adds is no harm to it."""
    newer = package / "0002_second.sql"
    newer.write_text("CREATE TABLE x_two (id);\n")
    migrate_x(store)
    newer.unlink()
    assert migrate_x(store) == ["x_one", "x_two"]


def test_a_migration_that_was_changed_is_refused(store: SqliteStore, package: Path) -> None:
    """A file that has been applied is never edited; a new one is added."""
    migrate_x(store)
    (package / "0001_first.sql").write_text("CREATE TABLE x_one (id, more);\n")
    with pytest.raises(ConfigurationError, match="migration 1 of x"):
        migrate_x(store)


def test_the_store_itself_refuses_a_newer_database(tmp_path: Path, store: SqliteStore) -> None:
    """When it is built, before anything is served."""
    with store.rows.database.writer.gate:
        writer = store.rows.database.connect(durable=True)
        writer.execute("INSERT INTO cf_migrations VALUES ('store', 99, 'breaking x')")
        writer.close()
    with pytest.raises(ConfigurationError, match="newer Counterfoil"):
        SqliteStore(tmp_path / "sessions.db")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A file, or the URL of a schema, in which there is nothing yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "counterfoil.db")
    else:
        with new_schema() as url:
            yield url


@contextmanager
def opened_at(place: str) -> Iterator[AnyStore]:
    store = (PostgresStore if "://" in place else SqliteStore)(place).blocking()
    yield store
    drive(store.close())


@contextmanager
def opened_before(place: str) -> Iterator[AnyStore]:
    """By a process of the version before, which goes on with it; it makes no addresses."""

    def former(package: str) -> list[Migration]:
        return [each for each in migrations_in(package) if "address" not in each.text]

    with ExitStack() as kept:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(migrations, "migrations_in", former)
            store = kept.enter_context(opened_at(place))
        yield store


def open_as_before(store: AnyStore, session_id: str) -> None:
    """As that version opens a session."""
    values = tuple(session_row(a_session(session_id)).values())[:-1]
    marks = ", ".join("?" * len(values))

    async def write(transaction: Transaction) -> None:
        await transaction.run(f"INSERT INTO cf_sessions ({BEFORE}) VALUES ({marks})", values)  # noqa: S608 - our own columns

    drive(store.rows.transaction(write))


def ids_as_before(store: AnyStore) -> set[str]:
    """As that version lists sessions."""
    return {row[0] for row in drive(store.rows.all(f"SELECT {BEFORE} FROM cf_sessions"))}  # noqa: S608 - our own columns


def test_sessions_of_the_version_before_have_no_address(place: str) -> None:
    """Those that were there, and those that its processes open after the first new one began."""
    with opened_before(place) as former:
        open_as_before(former, "s-1")
        assert [ids_as_before(former) for _ in range(3)] == [{"s-1"}] * 3  # prepared from now on
        with opened_at(place) as store:
            open_as_before(former, "s-2")
            drive(opened(store, a_session("s-3", address="203.0.113.9")))
            assert ids_as_before(former) == {"s-1", "s-2", "s-3"}
            assert drive(found(store, "s-2")).session == a_session("s-2")
            listed = drive(store.sessions(SessionQuery()))
            assert [each.address for each in listed] == ["203.0.113.9", "", ""]


def test_a_database_whose_sessions_have_moved_away_is_brought_up_to_date(place: str) -> None:
    """What else is in it is served as before; no table of sessions is made."""

    async def leave(transaction: Transaction) -> None:
        await transaction.run("ALTER TABLE cf_sessions RENAME TO cf_sessions_moved")

    with opened_before(place) as former:
        drive(former.rows.transaction(leave))
    with opened_at(place) as store:
        recorded = "SELECT number FROM cf_migrations WHERE component = 'store' ORDER BY number"
        known = migrations_in(f"{STORE}.{store.rows.dialect}")
        assert drive(store.rows.all(recorded)) == [(each.number,) for each in known]
        with pytest.raises(StoreUnavailable):
            drive(store.sessions(SessionQuery()))


def test_a_new_node_has_nobody_wait_for_who_reads_at_length() -> None:
    """Such as pg_dump: it gives up, says why, and can be started again once that is done."""
    with new_schema() as url, opened_before(url) as former:
        open_as_before(former, "s-1")
        with psycopg.connect(url) as reader:
            reader.execute("SELECT count(*) FROM cf_sessions")
            with pytest.raises(StoreUnavailable, match="start again after that"), opened_at(url):
                pass
            assert ids_as_before(former) == {"s-1"}
        with opened_at(url) as store:
            assert drive(found(store, "s-1")).session == a_session("s-1")
