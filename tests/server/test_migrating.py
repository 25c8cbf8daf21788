"""Everything a server keeps is moved from SQLite to PostgreSQL, while it is used."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import live
from cli.terminal import Said, Terminal
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.server.composition import TABLES as PACKAGE
from counterfoil.server.migrating import TABLES, move
from counterfoil.server.moving import moved_to
from counterfoil.stores.migrations import migrate
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import (
    NOW,
    a_session,
    an_event,
    an_index,
    everything,
    opened,
    revoke,
    revoke_all,
)
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def url() -> Iterator[str]:
    with new_schema() as url:
        yield url


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "counterfoil.db").blocking()
    drive(migrate(store.rows, component="server", package=PACKAGE))
    yield store
    drive(store.close())


def prepared(url: str) -> PostgresStore:
    store = PostgresStore(url).blocking()
    drive(migrate(store.rows, component="server", package=PACKAGE))
    return store


def fill(store: SqliteStore, *, count: int = 30) -> None:
    for number in range(count):
        index = drive(an_index(store))
        session = a_session(f"s-{number:04}", subject=f"user-{number % 7}", indices=(index,))
        session = replace(session, device="Firefox", address=f"203.0.113.{number}")
        drive(opened(store, session, events=(an_event(subject=session.subject),)))
    drive(revoke(store, "s-0003"))
    drive(revoke_all(store, "user-5"))


def move_it(source: SqliteStore, url: str, progress: Callable[[int], None] = lambda _: None) -> Any:
    return move(source.path, url, seal=list, progress=progress)


def test_everything_is_there_as_it_was(source: SqliteStore, url: str) -> None:
    """Records, versions, the place of the feed, and the trail with its numbers, which go on."""
    fill(source)
    before, position = drive(everything(source)), drive(source.feed(None, now=NOW)).position
    target = prepared(url)
    moved = move_it(source, url)
    assert moved.rows > 60
    assert moved.locked < 2
    assert drive(everything(target)) == before
    assert drive(target.feed(None, now=NOW)).position == position
    numbers = [line.number for line in drive(target.trail(limit=100))]
    drive(target.note(an_event()))
    assert drive(target.trail(limit=1))[0].number == numbers[0] + 1
    drive(revoke(target, "s-0001"))
    assert drive(target.feed(None, now=NOW)).position.number == position.number + 1
    drive(target.close())


def test_what_changes_while_it_is_copied_is_there_too(source: SqliteStore, url: str) -> None:
    """By whatever process: what is added, changed and forgotten, before and behind the place that
    the copying has come to."""
    fill(source, count=50)
    target = prepared(url)
    turns = iter(range(1000))

    def change(_: int) -> None:
        turn = next(turns)
        if turn < 5:
            drive(opened(source, a_session(f"a-{turn}", subject="user-1")))
            drive(opened(source, a_session(f"z-{turn}", subject="user-2", absolute_end=NOW)))
            drive(revoke(source, f"s-{40 + turn:04}"))
            drive(source.sweep(now=NOW))
            expected.append(drive(everything(source)))

    expected: list[Any] = []
    move_it(source, url, change)
    assert len(expected) == 5
    assert drive(everything(target)) == expected[-1]
    drive(target.close())


def test_a_database_whose_tables_have_moved_says_where(source: SqliteStore, url: str) -> None:
    """And nothing can be read or written there which is out of date."""
    fill(source)
    drive(prepared(url).close())
    assert moved_to(source.path) == ""
    move_it(source, url)
    assert moved_to(source.path) == url
    with closing(sqlite3.connect(source.path)) as connection:
        for table in TABLES:
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                connection.execute(f"SELECT * FROM {table.name}")  # noqa: S608 - our own


def test_a_move_that_is_interrupted_has_moved_nothing(source: SqliteStore, url: str) -> None:
    """And can be begun again, on what it left."""
    fill(source)
    before = drive(everything(source))
    target = prepared(url)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_it(source, url, interrupt)
    assert drive(everything(source)) == before
    with closing(sqlite3.connect(source.path)) as connection:
        sql = "SELECT name FROM sqlite_master WHERE name LIKE 'cf_mov%'"
        assert connection.execute(sql).fetchall() == []
    drive(revoke(source, "s-0001"))
    move_it(source, url)
    assert drive(everything(target))[0] != before[0]
    drive(target.close())


def test_two_moves_into_one_database_take_turns(
    source: SqliteStore, url: str, tmp_path: Path
) -> None:
    """Of different servers, which is a mistake: the second is refused, the first loses nothing."""
    fill(source)
    before, target = drive(everything(source)), prepared(url)
    other = SqliteStore(tmp_path / "other.db").blocking()
    drive(migrate(other.rows, component="server", package=PACKAGE))
    refused = list[str]()

    def move_another(_: int) -> None:
        with pytest.raises(ConfigurationError) as why:
            move_it(other, url)
        refused.append(str(why.value))

    move_it(source, url, move_another)
    assert set(refused) == {"Wait: another `counterfoil store migrate` is under way there."}
    assert drive(everything(target)) == before
    drive(other.close())
    drive(target.close())


def test_it_is_not_moved_to_where_something_is_kept(source: SqliteStore, url: str) -> None:
    """Nobody's sessions are mixed with others."""
    target = prepared(url)
    drive(opened(target, a_session("theirs")))
    with pytest.raises(ConfigurationError, match="keeps nothing yet"):
        move_it(source, url)
    assert drive(target.look_up("theirs")) is not None
    drive(target.close())


class Caller(threading.Thread):
    """Calls again and again, and notes whatever is not answered as it should be."""

    def __init__(self, call: Callable[[], live.Answer], *, pause: float = 0.01) -> None:
        super().__init__()
        self._call = call
        self._pause = pause
        self.is_over = threading.Event()
        self.answered = 0
        self.refused: list[live.Answer] = []
        self.start()

    def run(self) -> None:
        while not self.is_over.is_set():
            answer = self._call()
            self.answered += 1
            if answer.status not in {200, 201}:
                self.refused.append(answer)
            time.sleep(self._pause)


def unnoticed(site: live.Site, move: Callable[[], Said]) -> dict[str, live.Device]:
    """Moves what a server keeps while people use it, and sees that none of them is refused, that
    all are signed in afterwards, and that who signed out just before is not. Answers who is."""
    person = site.person()
    devices = {name: person.sign_in(name) for name in ("web", "api", "partner", "phone")}
    refreshed = person.sign_in("api")
    callers = [Caller(device.who) for device in devices.values()]
    callers += [Caller(refreshed.refresh, pause=0.4), Caller(lambda: sign_in_and_out(person))]
    time.sleep(0.5)
    ended = person.sign_in("api")
    ended.sign_out()
    said = move()
    time.sleep(2)
    for caller in callers:
        caller.is_over.set()
    for caller in callers:
        caller.join()
    assert said.code == 0, said.err
    assert json.loads(said.out)["writers_waited_seconds"] < 2
    assert [answer for caller in callers for answer in caller.refused] == []
    assert min(caller.answered for caller in callers) > 3
    assert site.call("GET", "/v1/session", headers=ended.headers()).status == 401
    return devices


def test_a_server_goes_on_while_its_store_is_moved_and_nobody_notices(
    tmp_path: Path, url: str
) -> None:
    """No request is refused, nobody is signed out, a revocation just before holds afterwards; and
    another node serves the same people."""
    with ExitStack() as stack:
        site, _ = stack.enter_context(live.process(tmp_path / "data"))
        devices = unnoticed(site, lambda: store_migrate(site, url))
        settings: dict[str, Any] = {
            "store": url,
            "secret_file": str(site.data / "seal"),
            "issuer": site.url,
        }
        other, _ = stack.enter_context(live.process(tmp_path / "other", **settings))
        for device in devices.values():
            assert other.call("GET", "/v1/session", headers=device.headers()).status == 200
        devices["web"].sign_out()
        gone = other.call("GET", "/v1/session", headers=devices["web"].headers())
        assert gone.status == 401
    with live.process(site.data, port=site.port):
        assert devices["phone"].who().status == 200


def sign_in_and_out(person: live.Person) -> live.Answer:
    return person.sign_in("phone").sign_out()


def store_migrate(site: live.Site, url: str) -> Said:
    arguments = ("store", "migrate", "--to", url, "--json")
    return Terminal(site.data.parent)(*arguments, "--data", str(site.data))


def test_moving_again_says_that_it_was_done(source: SqliteStore, url: str, tmp_path: Path) -> None:
    """And a command beside the folder works where everything is now."""
    fill(source)
    terminal = Terminal(tmp_path)
    arguments = ("store", "migrate", "--to", url, "--data", str(tmp_path))
    assert terminal(*arguments).code == 0
    again = terminal(*arguments)
    assert again.code == 2
    assert "kept elsewhere already" in again.err
    listed = terminal("sessions", "list", "--all", "--json", "--data", str(tmp_path))
    assert "s-0001" in listed.out, listed


def test_where_to_is_asked_for(source: SqliteStore, tmp_path: Path) -> None:
    """An address, or a file with one, and not both."""
    terminal = Terminal(tmp_path)
    said = terminal("store", "migrate", "--data", str(source.path.parent))
    assert said.code == 2
    assert "--to" in said.err
