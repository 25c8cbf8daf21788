from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cli.terminal import PASSWORD
from counterfoil.drive import drive
from counterfoil.stores import sqlite_copies
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import a_session, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from cli.terminal import Said, Served, Terminal

STAMP = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ"


def kept(copy: Path, sql: str) -> list[tuple[Any, ...]]:
    """What is in a copy, read as a file that nobody changes."""
    connection = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def beside_it(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if each.name.startswith(path.name))


def test_a_copy_is_made_beside_a_running_server(served: Served, terminal: Terminal) -> None:
    """One file, whole and private, which says that it is a copy; the server goes on."""
    name = served.registered()
    session = served.signed_in(name, "api")["session"]["id"]
    copy = terminal.folder / "copy.db"
    said = served.run("backup", str(copy))
    assert said.code == 0
    assert said.err == "Looking through the copy.\n"
    first, second, third = said.out.splitlines()
    assert re.fullmatch(
        rf"Copied to {copy}, as of {STAMP}: \d+ accounts?, \d+ live sessions? and \d+ clients"
        r" \(\d\.\d MB\)\.",
        first,
    )
    assert second == "It holds identifiers and password hashes, and only you can read it."
    assert third.startswith("The keys are not in it, but in ")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert beside_it(copy) == ["copy.db"]
    assert kept(copy, "SELECT count(*) FROM cf_backup") == [(1,)]
    assert (session,) in kept(copy, "SELECT id FROM cf_sessions")
    assert served.signed_in(name, "web")
    assert served.run("backup", str(copy)).code == 2


def test_a_copy_can_be_told_to_a_program(beside: Callable[..., Said], terminal: Terminal) -> None:
    """In JSON: what it holds, of when it is, and where the keys are."""
    said = beside("backup", "copy.db", "--json")
    told = json.loads(said.out)
    assert told["copy"] == "copy.db"
    assert told["bytes"] == (terminal.folder / "copy.db").stat().st_size
    assert (told["accounts"], told["live_sessions"]) == (0, 0)
    assert told["position"]["number"] == 0
    assert told["keys"] == str(terminal.folder / "data" / "keys")
    assert told["made_at"].startswith("20")


def test_nothing_is_written_over(beside: Callable[..., Said], terminal: Terminal) -> None:
    """Not a copy that is there, not the database itself."""
    (terminal.folder / "copy.db").write_text("precious")
    database = terminal.folder / "data" / "counterfoil.db"
    before = database.read_bytes()
    for name in ("copy.db", str(database)):
        said = beside("backup", name)
        assert (said.code, said.out) == (2, "")
        assert said.err == f"Name another file: {name} is there already.\n"
    assert (terminal.folder / "copy.db").read_text() == "precious"
    assert database.read_bytes() == before


def test_a_copy_that_cannot_be_written_leaves_nothing(
    beside: Callable[..., Said], terminal: Terminal
) -> None:
    """It is said in one sentence; nor does one whose content is damaged get its name."""
    said = beside("backup", "nowhere/copy.db")
    assert (said.code, said.err) == (
        2,
        "Cannot write nowhere/copy.db: No such file or directory.\n",
    )
    database = terminal.folder / "data" / "counterfoil.db"
    content = bytearray(database.read_bytes())
    content[4096:8192] = os.urandom(4096)
    database.write_bytes(content)
    said = beside("backup", "copy.db")
    assert said.code in {2, 3}
    assert "copy.db" in said.err
    assert not (terminal.folder / "copy.db").exists()
    assert beside_it(terminal.folder / "copy.db") == []


def test_a_copy_is_of_one_moment_whoever_writes_meanwhile(
    made: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed after it was begun is not in it, and does not make it begin again."""
    data = terminal.folder / "data"
    shutil.copytree(made, data)
    store = SqliteStore(data / "counterfoil.db").blocking()
    for number in range(200):
        drive(opened(store, a_session(f"before-{number}")))
    monkeypatch.setattr(sqlite_copies, "PAGES", 5)
    told: list[int] = []

    def write(pages: int) -> None:
        drive(opened(store, a_session(f"after-{len(told)}")))
        told.append(pages)

    copy = terminal.folder / "copy.db"
    sqlite_copies.copy_out(store.path, copy, made_at=datetime.now(UTC), progress=write)
    assert len(told) > 5
    assert told == sorted(told)
    assert kept(copy, "SELECT count(*) FROM cf_sessions") == [(200,)]
    assert kept(copy, "PRAGMA integrity_check") == [("ok",)]
    drive(store.close())


def test_there_must_be_something_to_copy(terminal: Terminal) -> None:
    """A folder without data is left as it is."""
    said = terminal("backup", "copy.db", "--data", "nothing")
    assert said.code == 2
    assert said.err.startswith("There is no Counterfoil data in nothing;")
    assert list(terminal.folder.iterdir()) == []


def test_a_copy_holds_no_key_and_no_credential(served: Served, terminal: Terminal) -> None:
    """Nor the password: what is in it has been digested or hashed."""
    name = served.registered()
    credential = served.signed_in(name, "api")["credential"]
    served.run("backup", str(terminal.folder / "secret.db"))
    content = (terminal.folder / "secret.db").read_bytes()
    assert name.encode() in content
    for secret in (PASSWORD, credential["token"], credential["refresh_handle"]):
        assert secret.encode() not in content
