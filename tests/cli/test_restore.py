from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil.cli import restoring
from counterfoil.cli.data import alone_in
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.server.settings import Settings
from counterfoil.stores import sqlite_copies
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import NOW, a_session, found, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli.terminal import Said, Served, Terminal
    from counterfoil.session import Session

STAMP = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ"


@pytest.fixture
def data(terminal: Terminal) -> Path:
    return terminal.folder / "data"


def a_live_session(name: str) -> Session:
    now = datetime.now(UTC)
    return a_session(
        name, created_at=now, auth_time=now, last_seen_at=now, absolute_end=now + timedelta(days=1)
    )


def with_session(data: Path, name: str) -> None:
    store = SqliteStore(data / "counterfoil.db").blocking()
    drive(opened(store, a_live_session(name)))
    drive(store.close())


def sessions_in(database: Path) -> set[str]:
    store = SqliteStore(database).blocking()
    try:
        return {row[0] for row in drive(store.rows.all("SELECT id FROM cf_sessions"))}
    finally:
        drive(store.close())


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_a_copy_is_put_back_beside_a_running_server(starting: Callable[..., Served]) -> None:
    """It goes on with it at once: who was there then is there, nobody is signed in, and what came
    since is in the database that is kept."""
    served = starting("--dev")
    name = served.registered()
    before = {client: served.signed_in(name, client) for client in ("api", "partner")}
    assert served.run("backup", "copy.db").code == 0
    later = served.registered()
    since = served.signed_in(later, "api")
    said = served.run("restore", "copy.db")
    assert (said.code, said.err) == (0, "Looking through copy.db.\n")
    lines = said.out.splitlines()
    assert re.fullmatch(
        rf"Restored copy\.db, a copy of {STAMP} \(\d+ s ago\): 2 accounts, 2 live sessions and"
        r" 3 clients\.",
        lines[0],
    )
    former = re.fullmatch(r"The database before it is kept as (.*)\.", lines[1])
    assert former is not None
    assert lines[2] == "Ended 2 sessions: everybody signs in again."
    assert lines[3] == "Tokens of hybrid clients are refused everywhere within 10 s."
    for opened_ in (before["api"], since):
        assert served.soon(opened_["credential"]["token"], "session_unknown", within=5)
    assert served.code(before["partner"]["credential"]["token"]) == "accepted"
    for opened_ in (*before.values(), since):
        handle = opened_["credential"]["refresh_handle"]
        answer = served.call("POST", "/v1/session/refresh", json={"refresh_handle": handle})
        assert answer.json()["code"] in {"session_revoked", "refresh_unknown"}
    assert served.code(served.signed_in(name, "api")["credential"]["token"]) == "accepted"
    sent = {"identifier": later, "password": "plum-anchor-violet-hatch", "client_id": "api"}
    assert served.call("POST", "/v1/sessions", json=sent).json()["code"] == "sign_in_refused"
    kept = served.terminal.folder / former[1]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    again = json.loads(served.run("restore", former[1], "--json").out)
    assert (again["sessions_ended"], again["copy"]["accounts"]) == (3, 3)
    assert served.signed_in(later, "api")


def test_what_is_said_to_a_program(beside: Callable[..., Said], data: Path) -> None:
    """In JSON, with both bounds, and where the former database is."""
    with_session(data, "before")
    assert beside("backup", "copy.db").code == 0
    told = json.loads(beside("restore", "copy.db", "--json").out)
    assert told["sessions_ended"] == 1
    assert told["copy"]["file"] == "copy.db"
    assert told["copy"]["made_at"].startswith("20")
    assert told["former"].startswith(f"{data}/counterfoil.db.before-20")
    assert told["elsewhere_within_seconds"] == 300
    declared = json.loads(beside("restore", "--declare", "--json").out)
    assert declared["sessions_ended"] == 0
    assert "copy" not in declared
    assert declared["epoch"].split("-")[0] == told["epoch"].split("-")[0]
    assert int(declared["epoch"].split("-")[1]) > int(told["epoch"].split("-")[1])


def test_one_thing_is_asked_at_a_time(beside: Callable[..., Said], data: Path) -> None:
    """A copy, or only to declare; nothing is guessed, and nothing changed."""
    before = (data / "counterfoil.db").read_bytes()
    for arguments in ([], ["copy.db", "--declare"]):
        said = beside("restore", *arguments)
        assert (said.code, said.out) == (2, "")
        assert said.err == "Name a copy to put back, or --declare one that is back already.\n"
    assert (data / "counterfoil.db").read_bytes() == before


def damaged(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[4096:12288] = bytes(8192)
    copy.write_bytes(content)


def foreign(copy: Path) -> None:
    copy.unlink()
    with sqlite3.connect(copy) as connection:
        connection.execute("CREATE TABLE notes (text)")


def newer(copy: Path) -> None:
    with sqlite3.connect(copy) as connection:
        connection.execute("INSERT INTO cf_migrations VALUES ('store', 99, 'breaking x')")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "is not there": (lambda copy: copy.unlink(), "There is no file copy.db to restore from."),
    "is empty": (lambda copy: copy.write_bytes(b""), "no database of Counterfoil's"),
    "is text": (lambda copy: copy.write_text("hello " * 999), "SQLITE_NOTADB"),
    "is of another program": (foreign, "no database of Counterfoil's"),
    "is damaged": (damaged, "is damaged|SQLITE_CORRUPT"),
    "is of a newer version": (newer, "Install a newer Counterfoil"),
}


@pytest.mark.parametrize(("spoil", "says"), SPOILT.values(), ids=SPOILT.keys())
def test_what_is_no_sound_copy_is_not_put_back(
    beside: Callable[..., Said],
    terminal: Terminal,
    data: Path,
    spoil: Callable[[Path], object],
    says: str,
) -> None:
    """It is found out before anything is changed, and the copy is left as it is."""
    with_session(data, "since")
    copy = terminal.folder / "copy.db"
    assert beside("backup", "copy.db").code == 0
    spoil(copy)
    content = copy.read_bytes() if copy.exists() else None
    said = beside("restore", "copy.db")
    assert said.code in {2, 3}
    assert said.out == ""
    assert re.search(says, said.err)
    assert sessions_in(data / "counterfoil.db") == {"since"}
    assert files_in(data) == {"counterfoil.db"}
    assert (copy.read_bytes() if copy.exists() else None) == content


def test_a_database_in_use_is_no_copy(
    beside: Callable[..., Said], terminal: Terminal, data: Path
) -> None:
    """Neither the one to be replaced nor another one: what is in its log would be left behind."""
    said = beside("restore", str(data / "counterfoil.db"))
    assert (said.code, said.err[:12]) == (2, "Name a copy:")
    other = SqliteStore(terminal.folder / "other.db").blocking()
    drive(opened(other, a_session()))
    said = beside("restore", "other.db")
    assert (said.code, said.err[:19]) == (2, "other.db is in use:")
    drive(other.close())


def test_a_copy_that_somebody_else_made_is_put_back_too(
    beside: Callable[..., Said], terminal: Terminal, data: Path
) -> None:
    """With the log beside it that holds the latest; it cannot say when it was made."""
    with_session(data, "in-the-file")
    store = SqliteStore(data / "counterfoil.db").blocking()
    drive(opened(store, a_live_session("in-the-log")))
    for suffix in ("", "-wal"):
        shutil.copy(data / f"counterfoil.db{suffix}", terminal.folder / f"copy.db{suffix}")
    drive(store.close())
    said = beside("restore", "copy.db")
    assert said.code == 0, said
    assert "a copy of unknown age" in said.out
    assert sessions_in(data / "counterfoil.db") == {"in-the-file", "in-the-log"}
    assert (terminal.folder / "copy.db-wal").stat().st_size > 0


def test_a_folder_without_a_database_is_restored_into(
    beside: Callable[..., Said], terminal: Terminal, data: Path
) -> None:
    """A new machine, or one whose database was lost, whose log may lie there still."""
    with_session(data, "before")
    assert beside("backup", "copy.db").code == 0
    (data / "counterfoil.db").unlink()
    (data / "counterfoil.db-wal").write_bytes(b"of a database that is gone")
    said = beside("restore", "copy.db")
    assert said.code == 0, said
    assert "kept as" not in said.out
    assert sessions_in(data / "counterfoil.db") == {"before"}
    said = terminal("restore", "copy.db", "--data", "new/folder")
    assert said.code == 0, said
    assert stat.S_IMODE((terminal.folder / "new" / "folder").stat().st_mode) == 0o700
    assert sessions_in(terminal.folder / "new" / "folder" / "counterfoil.db") == {"before"}


def test_a_database_that_cannot_be_read_is_moved_away(
    beside: Callable[..., Said], data: Path
) -> None:
    """It is kept as it is; while somebody has it open it is left, for they would go on with it."""
    with_session(data, "before")
    assert beside("backup", "copy.db").code == 0
    database = data / "counterfoil.db"
    store = SqliteStore(database).blocking()
    drive(found(store, "before"))
    intact = database.read_bytes()
    with database.open("r+b") as file:
        file.write(b"not a database any more")
    spoilt = database.read_bytes()
    said = beside("restore", "copy.db")
    assert (said.code, said.err.splitlines()[-1][:23]) == (2, "Stop the server first: ")
    assert database.read_bytes() == spoilt
    with database.open("r+b") as file:
        file.write(intact[:100])
    drive(store.close())
    database.write_bytes(spoilt)
    said = beside("restore", "copy.db")
    assert said.code == 0, said
    assert sessions_in(database) == {"before"}
    (former,) = data.glob("counterfoil.db.before-*")
    assert former.read_bytes() == spoilt


@pytest.mark.parametrize("content", [b"not a database", None], ids=["unreadable", "sound"])
def test_what_was_there_before_two_restores_of_one_second_is_kept(
    data: Path, made: Path, terminal: Terminal, content: bytes | None
) -> None:
    """Each under a name of its own."""
    shutil.copytree(made, data)
    settings, copy = Settings(data=data), terminal.folder / "copy.db"
    sqlite_copies.copy_out(settings.database, copy, made_at=NOW, progress=lambda _: None)
    if content is not None:
        settings.database.write_bytes(content)
    kept = [asyncio.run(restoring.put_back(copy, settings, now=NOW)).former for _ in range(2)]
    assert None not in kept
    assert len({former.read_bytes() for former in kept if former is not None}) == 2


def test_two_restores_take_turns(data: Path, made: Path, terminal: Terminal) -> None:
    """The second is told to wait, and has changed nothing."""
    shutil.copytree(made, data)
    settings = Settings(data=data)
    copy = terminal.folder / "copy.db"
    sqlite_copies.copy_out(settings.database, copy, made_at=NOW, progress=lambda _: None)
    with alone_in(data), pytest.raises(ConfigurationError, match="another restore"):
        asyncio.run(restoring.put_back(copy, settings, now=NOW))
    asyncio.run(restoring.put_back(copy, settings, now=NOW))


@pytest.mark.parametrize("step", ["require_sound", "copy_out", "copy_in"])
def test_what_is_interrupted_has_changed_nothing(
    data: Path, made: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """At whatever step: a full disk, or somebody who thinks better of it. Above all it has not told
    servers of an epoch that then never began."""
    shutil.copytree(made, data)
    with_session(data, "since")
    settings = Settings(data=data)
    copy = terminal.folder / "copy.db"
    sqlite_copies.copy_out(settings.database, copy, made_at=NOW, progress=lambda _: None)

    def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("SQLite says SQLITE_FULL.")

    monkeypatch.setattr(restoring, step, full)
    with pytest.raises(StoreUnavailable, match="FULL"):
        asyncio.run(restoring.put_back(copy, settings, now=NOW))
    monkeypatch.undo()
    store = SqliteStore(settings.database).blocking()
    position = drive(store.feed(None, now=NOW)).position
    assert store.default_keys().reach(position) == position
    assert drive(found(store, "since")).session.ended_at is None
    drive(store.close())
    names = {name for name in files_in(data) if ".before-" not in name}
    assert names == {"counterfoil.db"}
