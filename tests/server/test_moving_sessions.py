"""The sessions that a server keeps in SQL are moved to Valkey, while they are used."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

import live
from cli.terminal import Said, Terminal
from counterfoil.cli.data import alone_in
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.server.composition import TABLES as PACKAGE
from counterfoil.server.sessions_migrating import move_sessions
from counterfoil.server.sessions_moving import sessions_moved_to
from counterfoil.stores.migrations import migrate
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.redis.store import RedisStore
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import (
    NOW,
    a_session,
    an_event,
    an_index,
    everything,
    found,
    opened,
    revoke,
    revoke_client,
)
from postgresql import new_schema
from server.test_migrating import fill, unnoticed
from stores.test_migrations import open_as_before, opened_before
from valkeys import empty_valkey, valkey_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from counterfoil.server.migrating import Moved


@pytest.fixture(params=[False, True], ids=["alone", "cluster"])
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    with empty_valkey(cluster=request.param) as url:
        yield url


class From:
    """A database, and what is moved from it."""

    def __init__(self, store: Any, path: Path, address: str) -> None:
        self.store = store  # over rows, of whatever database
        self._path = path
        self._address = address
        drive(migrate(self.store.rows, component="server", package=PACKAGE))

    def move(self, target: str, progress: Callable[[int], None] = lambda _: None) -> Moved:
        return move_sessions(
            self._path, self._address, target, durability="durable", progress=progress
        )


@pytest.fixture(params=["sqlite", "postgres"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[From]:
    with ExitStack() as stack:
        path, address = tmp_path / "counterfoil.db", ""
        store: Any
        if request.param == "sqlite":
            store = SqliteStore(path).blocking()
        else:
            address = stack.enter_context(new_schema())
            store = PostgresStore(address).blocking()
        yield From(store, path, address)
        drive(store.close())


def at(url: str) -> RedisStore:
    return RedisStore(url).blocking()


def test_everything_is_there_as_it_was(source: From, target: str) -> None:
    """Records, versions, the place of the feed, and the trail with its numbers, which go on."""
    fill(source.store)
    drive(revoke_client(source.store, "api"))
    before = drive(everything(source.store))
    position = drive(source.store.feed(None, now=NOW)).position
    moved = source.move(target)
    assert moved.rows > 60
    assert moved.locked < 2
    store = at(target)
    assert drive(everything(store)) == before
    assert drive(store.feed(None, now=NOW)).position == position
    last = drive(store.trail(limit=1))[0].number
    drive(store.note(an_event()))
    assert drive(store.trail(limit=1))[0].number == last + 1
    drive(revoke(store, "s-0001"))
    assert drive(store.feed(None, now=NOW)).position.number == position.number + 1
    block = drive(an_index(store))
    assert block.index >= 30
    drive(store.close())


def test_what_changes_while_it_is_copied_is_there_too(source: From, target: str) -> None:
    """By whatever process: what is added and changed, before and behind the place that the copying
    has come to."""
    fill(source.store, count=50)
    turns = iter(range(1000))

    def change(_: int) -> None:
        turn = next(turns)
        if turn < 3:
            for name in (f"a-{turn}", f"z-{turn}"):
                session = a_session(name, subject="user-1")
                drive(opened(source.store, session, events=(an_event(),)))
            drive(revoke(source.store, f"s-{40 + turn:04}"))
            drive(source.store.touch("s-0001", NOW))
            expected.append(drive(everything(source.store)))

    expected: list[Any] = []
    source.move(target, change)
    assert len(expected) == 3
    store = at(target)
    assert drive(everything(store)) == expected[-1]
    drive(store.close())


def test_a_redis_in_which_a_restore_was_declared_takes_them_as_they_are(source: From) -> None:
    """It counts what was written before as ended, and these were not."""
    fill(source.store)
    drive(revoke_client(source.store, "api"))
    before, client = drive(everything(source.store))[2:4], drive(source.store.client("api"))
    with valkey_server() as server:  # whose trail nobody else reads meanwhile
        store = at(server.url)
        drive(store.begin_epoch(now=NOW, reached=lambda position: position))
        drive(store.close())
        source.move(server.url)
        store = at(server.url)
        assert drive(everything(store))[2:4] == before
        assert drive(store.client("api")) == client
        drive(store.close())


def test_where_the_sessions_were_nothing_is_read_or_written_any_more(
    source: From, target: str
) -> None:
    """The database says where they have gone. Accounts and clients are there as before."""
    fill(source.store)
    assert sessions_moved_to(source.store.rows) == ""
    source.move(target)
    assert sessions_moved_to(source.store.rows) == target
    for read in (source.store.look_up("s-0001"), source.store.feed(None, now=NOW)):
        with pytest.raises(StoreUnavailable):
            drive(read)
    assert drive(source.store.rows.all("SELECT subject FROM accounts")) == []


def test_a_move_that_is_interrupted_has_moved_nothing(source: From, target: str) -> None:
    """And can be begun again, on what it left; meanwhile nobody takes that for a store."""
    fill(source.store)
    before = drive(everything(source.store))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.move(target, interrupt)
    assert drive(everything(source.store)) == before
    with pytest.raises(ConfigurationError, match="again"):
        RedisStore(target)
    drive(revoke(source.store, "s-0001"))
    expected = drive(everything(source.store))
    source.move(target)
    store = at(target)
    assert drive(everything(store)) == expected
    drive(store.close())


def test_two_moves_take_turns(tmp_path: Path, target: str) -> None:
    """The second is told to wait: it would clear away what the first has begun."""
    with live.process(tmp_path / "data") as (site, _), alone_in(site.data):
        arguments = ("store", "migrate", "--sessions-to", target, "--data", str(site.data))
        said = Terminal(tmp_path)(*arguments)
    assert (said.code, "Wait: another restore or move" in said.err) == (2, True)


def test_two_moves_out_of_one_database_take_turns(tmp_path: Path, target: str) -> None:
    """From whatever machine, and whichever of them is first comes to its end."""
    with new_schema() as address:
        source = From(PostgresStore(address).blocking(), tmp_path, address)
        fill(source.store)
        before, told = drive(everything(source.store)), list[str]()

        def begin_another(_: int) -> None:
            with pytest.raises(ConfigurationError) as refused:
                source.move(target)
            told.append(str(refused.value))

        source.move(target, begin_another)
        assert set(told) == {"Wait: another `counterfoil store migrate` is under way there."}
        store = at(target)
        assert drive(everything(store)) == before
        drive(store.close())
        drive(source.store.close())


def test_it_is_not_moved_to_where_something_is_kept(source: From, target: str) -> None:
    """Nobody's sessions are mixed with others, and those that are there are served as before."""
    store = at(target)
    drive(opened(store, a_session("theirs")))
    with pytest.raises(ConfigurationError, match="keeps nothing yet"):
        source.move(target)
    assert drive(found(store, "theirs"))
    drive(store.close())
    drive(at(target).close())


def test_what_a_server_of_the_version_before_keeps_is_moved(tmp_path: Path, target: str) -> None:
    """The command brings its tables up to date first, which that server can go on with."""
    (tmp_path / "data").mkdir()
    with opened_before(str(tmp_path / "data" / "counterfoil.db")) as former:
        open_as_before(former, "s-1")
        arguments = ("store", "migrate", "--sessions-to", target, "--data", str(tmp_path / "data"))
        said = Terminal(tmp_path)(*arguments)
        assert said.code == 0, said
    store = at(target)
    assert drive(found(store, "s-1")).session == a_session("s-1")
    drive(store.close())


@pytest.mark.parametrize("kept", ["sqlite", "postgres"])
def test_a_server_goes_on_while_its_sessions_are_moved_and_nobody_notices(
    tmp_path: Path, kept: str
) -> None:
    """No request is refused, nobody is signed out, a revocation just before holds afterwards; and a
    server that is started again finds them."""
    with ExitStack() as stack:
        target = stack.enter_context(empty_valkey(cluster=True))
        settings: dict[str, Any] = {}
        if kept == "postgres":
            secret = tmp_path / "secret"
            secret.write_text("the secret that each node is given\n")
            settings = {"store": stack.enter_context(new_schema()), "secret_file": str(secret)}
        site, running = stack.enter_context(live.process(tmp_path / "data", **settings))
        environment = {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
        terminal = Terminal(tmp_path)
        arguments = ("store", "migrate", "--sessions-to", target, "--json")

        def move() -> Said:
            return terminal(*arguments, "--data", str(site.data), env=environment)

        devices = unnoticed(site, move)
        again = move()
        assert (again.code, "in Redis already" in again.err) == (2, True)
        listed = terminal("sessions", "list", "--json", "--data", str(site.data), env=environment)
        assert devices["web"].session_id in listed.out, listed
        assert site.administrator().call("GET", "/v1/admin/verifiers").status == 200
        doctor = terminal("doctor", "--data", str(site.data), env=environment)
        assert doctor.code == 0, doctor.out
        running.kill()
        running.wait()
        stack.enter_context(live.process(site.data, port=site.port, **settings))
        assert {name: device.who().status for name, device in devices.items()} == dict.fromkeys(
            devices, 200
        )
