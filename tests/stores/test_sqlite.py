from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.ports import Commit, SessionQuery
from counterfoil.stores import sqlite_database
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.stores.statements import sessions
from counterfoil.testing.records import NOW, a_session, found, opened
from counterfoil.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from counterfoil.stores.rows import Row, Transaction


class TestSqliteStore(StoreContract):
    @pytest.fixture
    async def store(self, path: Path) -> AsyncIterator[SqliteStore]:
        store = SqliteStore(path)
        yield store
        await store.close()


# The file.


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    """The database and what SQLite puts beside it are 0600, a folder made for it 0700."""
    store = SqliteStore(tmp_path / "new" / "folder" / "sessions.db").blocking()
    drive(opened(store, a_session()))
    folder = tmp_path / "new" / "folder"
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()}
    assert modes == dict.fromkeys(["sessions.db", "sessions.db-shm", "sessions.db-wal"], 0o600)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    drive(store.close())


def test_what_was_there_before_keeps_its_mode(tmp_path: Path, path: Path) -> None:
    """A folder or file that somebody else made is left as they made it."""
    tmp_path.chmod(0o750)
    path.touch(mode=0o640)
    drive(SqliteStore(path).close())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


async def test_the_keys_are_kept_beside_the_file(store: SqliteStore, tmp_path: Path) -> None:
    """In a folder `keys`, for either face."""
    assert len(store.default_keys().handle_secrets().versions) == 1
    assert (tmp_path / "keys").is_dir()
    one, two = store.default_keys(), store.blocking().default_keys()
    assert one.handle_secrets() == two.handle_secrets()


async def test_a_store_is_what_it_was_when_it_is_opened_again(path: Path) -> None:
    """Another object, another process, another day: the same records, epoch and numbers."""
    first = SqliteStore(path)
    await opened(first, a_session())
    position = (await first.feed(None, now=NOW)).position
    await first.close()
    second = SqliteStore(str(path))
    assert (await found(second, "s-1")).session == a_session()
    assert (await second.feed(None, now=NOW)).position == position
    await second.close()


async def test_an_application_may_keep_its_tables_in_the_same_file(path: Path) -> None:
    """Ours begin with cf_, so a table named sessions is nobody's business but its own."""
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE sessions (id)")
        theirs.execute("INSERT INTO sessions VALUES ('theirs')")
    theirs.close()
    store = SqliteStore(path)
    assert await store.look_up("theirs") is None
    assert await store.rows.all("SELECT id FROM sessions") == [("theirs",)]
    names = await store.rows.all("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert [name for (name,) in names if not name.startswith("cf_")] == ["sessions"]
    await store.close()


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def a_text(path: Path) -> Path:
    path.write_text("This is a text of some length, and no database at all. " * 99)
    return path


def below_a_file(path: Path) -> Path:
    path.write_text("A file has no files in it.")
    return path / "sessions.db"


def nowhere_to_write(_: Path) -> Path:
    return Path("/proc/sessions.db")


@pytest.mark.parametrize("make", [a_folder, a_text, below_a_file, nowhere_to_write])
def test_a_place_where_nothing_can_be_kept_is_refused(
    path: Path, make: Callable[[Path], Path]
) -> None:
    """When the store is built, in one sentence that names the place."""
    place = make(path)
    with pytest.raises(ConfigurationError) as refusal:
        SqliteStore(place)
    assert str(place) in str(refusal.value)
    assert str(refusal.value).count(".") - str(place).count(".") == 1


def test_a_database_without_a_file_is_refused() -> None:
    """Each connection would have one of its own."""
    with pytest.raises(ConfigurationError, match="MemoryStore"):
        SqliteStore(":memory:")


@pytest.mark.parametrize("url", ["sqlite:///app.db", "file:///app.db"])
def test_a_url_is_refused(url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a folder of that name made."""
    monkeypatch.chdir(path.parent)
    with pytest.raises(ConfigurationError, match="a path such as"):
        SqliteStore(url)
    assert list(path.parent.iterdir()) == []


def test_a_sqlite_that_is_too_old_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, before anything is made."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(ConfigurationError, match=r"3\.37"):
        SqliteStore(path)
    assert not path.exists()


# One commit for many.


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the writer's connections were told."""
    told: list[str] = []
    connect = sqlite_database.Database.connect

    def traced(self: sqlite_database.Database, *, durable: bool) -> sqlite3.Connection:
        connection = connect(self, durable=durable)
        connection.set_trace_callback(told.append)
        return connection

    monkeypatch.setattr(sqlite_database.Database, "connect", traced)
    return told


async def test_commits_that_come_together_share_one_wait_for_the_disk(
    statements: list[str], store: SqliteStore
) -> None:
    """While one is being written the others gather, and the next one carries them all."""
    await opened(store, a_session())
    statements.clear()
    with store.rows.database.writer.gate:
        commits = [Commit(sessions=(a_session(f"s-{number}-"),)) for number in range(50)]
        tasks = [asyncio.create_task(store.commit(commit)) for commit in commits]
        await asyncio.sleep(0.01)
    assert await asyncio.gather(*tasks) == [True] * 50
    assert 1 <= statements.count("COMMIT") <= 2


async def test_who_fails_in_a_batch_fails_alone(store: SqliteStore) -> None:
    """A refusal, a mistake in the program, and a statement that SQLite refuses undo their own
    writes and nobody else's; each caller hears what concerns them."""

    async def breaks(transaction: Transaction) -> None:
        await transaction.run("DELETE FROM cf_sessions")
        raise ValueError("mine")

    async def misspelt(transaction: Transaction) -> None:
        await transaction.run("DELETE FROM cf_sessions")
        await transaction.run("DELETE FROM no_such_table")

    await opened(store, a_session())
    with store.rows.database.writer.gate:
        tasks = [
            asyncio.create_task(one)
            for one in (
                store.commit(Commit(sessions=(a_session("s-2"),))),
                store.commit(Commit(sessions=(a_session("s-3"), a_session("s-1")))),
                store.rows.transaction(breaks),
                store.rows.transaction(misspelt),
                store.commit(Commit(sessions=(a_session("s-4"),))),
            )
        ]
        await asyncio.sleep(0.01)
    answers: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    assert (answers[0], answers[1], answers[4]) == (True, False, True)
    assert isinstance(answers[2], ValueError)
    assert isinstance(answers[3], StoreUnavailable)
    listed = await store.sessions(SessionQuery())
    assert [session.id for session in listed] == ["s-4", "s-2", "s-1"]


async def test_a_violated_constraint_reaches_the_caller(store: SqliteStore) -> None:
    """It is a mistake of the statement's author, not of the database."""
    await opened(store, a_session())

    async def again(transaction: Transaction) -> int:
        return await transaction.run("INSERT INTO cf_clients VALUES ('web', NULL)")

    with pytest.raises(sqlite3.IntegrityError):
        await store.rows.transaction(again)


# When the database does not answer.


async def test_a_database_that_is_held_by_others_is_unavailable_for_writing(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some patience: nothing was written, reads go on, and asking again helps."""
    await opened(store, a_session())
    monkeypatch.setattr(store.rows.database.writer, "_patience", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as unavailable:
        await store.commit(Commit(sessions=(a_session("s-2"),)))
    assert unavailable.value.retry_after is not None
    assert (await found(store, "s-1")).session == a_session()
    other.execute("ROLLBACK")
    other.close()
    assert await store.look_up("s-2") is None
    assert await store.commit(Commit(sessions=(a_session("s-2"),)))


async def test_a_full_disk_makes_it_unavailable_and_applies_nothing(
    path: Path, store: SqliteStore
) -> None:
    """Not a part of what did not fit, nor of what waited with it; room helps."""
    await opened(store, a_session())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = os.stat(f"{path}-wal").st_size  # noqa: PTH116 - a test may wait
    big = Commit(sessions=tuple(a_session(f"big-{n}", device="x" * 999) for n in range(99)))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, limits[1]))
        with pytest.raises(StoreUnavailable):
            await store.commit(big)
        assert (await found(store, "s-1")).session == a_session()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert await store.look_up("big-0") is None
    assert await store.commit(big)


def damage(path: Path) -> None:
    """Overwrites every page but the first."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


async def test_a_damaged_database_is_unavailable_not_empty(path: Path, store: SqliteStore) -> None:
    """No session is taken for unknown because its page cannot be read."""
    await opened(store, a_session())
    await store.close()
    damaged = SqliteStore(path)
    damage(path)
    with pytest.raises(StoreUnavailable):
        await damaged.look_up("s-1")
    with pytest.raises(StoreUnavailable):
        await damaged.sessions(SessionQuery())
    with pytest.raises(StoreUnavailable):
        await damaged.commit(Commit(sessions=(a_session("s-2"),)))
    await damaged.close()


async def test_what_is_logged_holds_no_data(
    path: Path, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite's word for what happened, and nothing that anybody wrote."""
    await opened(store, a_session("secret-id", subject="secret-subject"))
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    damage(path)
    with pytest.raises(StoreUnavailable) as unavailable:
        await store.all_of_subject("secret-subject")
    assert "SQLITE_" in caplog.text
    assert "secret" not in caplog.text + str(unavailable.value)


# Speed that a plan can promise.


@pytest.mark.parametrize("live", [None, NOW], ids=["all", "live"])
@pytest.mark.parametrize("before", [None, "s-1"], ids=["first page", "next page"])
@pytest.mark.parametrize("client_id", [None, "web"], ids=["any client", "one client"])
@pytest.mark.parametrize("subject", [None, "user-1"], ids=["any subject", "one subject"])
async def test_a_page_costs_what_it_holds(
    store: SqliteStore, live: Any, before: str | None, client_id: str | None, subject: str | None
) -> None:
    """However many sessions there are: each list is read off an index, and none is sorted."""

    class Explaining:
        def __init__(self) -> None:
            self.plan: list[Row] = []

        async def one(self, sql: str, values: Any = ()) -> None:
            raise NotImplementedError

        async def all(self, sql: str, values: Any = ()) -> list[Row]:
            self.plan = await store.rows.all(f"EXPLAIN QUERY PLAN {sql}", values)
            return []

    explaining = Explaining()
    query = SessionQuery(subject=subject, client_id=client_id, live_at=live, before=before)
    await sessions.sessions(explaining, query)
    plan = [row[3] for row in explaining.plan]
    assert plan
    assert not [step for step in plan if "TEMP B-TREE" in step]
    assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step]
