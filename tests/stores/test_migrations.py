from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.stores.migrations import BREAKING, STORE, migrate, migrations_in
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import a_session, found, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
