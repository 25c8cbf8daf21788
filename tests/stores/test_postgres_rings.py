"""Who uses several rows or tables takes them in one order, so that nobody waits in a ring.

PostgreSQL notices a ring after a second, and undoes whom it likes: a move, a restore. Here it
notices at once, and writes each down.
"""

from __future__ import annotations

import random
import re
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from counterfoil.drive import drive
from counterfoil.ports import Commit
from counterfoil.server.composition import TABLES as PACKAGE
from counterfoil.server.sessions_migrating import move_sessions
from counterfoil.server.sessions_sources import source_of
from counterfoil.stores.migrations import migrate
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.statements import commits
from counterfoil.testing.records import (
    NOW,
    a_session,
    an_event,
    an_index,
    change_subject,
    opened,
    revoke_all,
    sign_in,
)
from postgresql import new_schema, postgres_server
from valkeys import empty_valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from counterfoil.stores.rows import Transaction
    from engines.postgres import PostgresServer

SUBJECTS = [f"user-{number}" for number in range(5)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server(deadlock_timeout="20ms", log_lock_waits="on") as server:
        yield server


class Crowd:
    """What people do at a server, each step again and again in a thread of its own."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.done = 0
        self._number = 0
        self._chance = random.Random(0)  # noqa: S311 - no secret

    def look(self) -> None:
        drive(self.store.look_up("s-1"))
        drive(self.store.all_of_subject(self._somebody()))
        drive(self.store.feed(None, now=NOW))

    def sign_in(self) -> None:
        """In the epoch that was read before, as an engine does it."""
        self._number += 1
        name = f"s-{threading.get_ident()}-{self._number}"
        soon = NOW + timedelta(seconds=self._chance.choice((1, 1000)))
        client = self._chance.choice(("web", "api"))
        session = a_session(name, subject=self._somebody(), client_id=client, absolute_end=soon)
        drive(sign_in(self.store, session, drive(self.store.subject(session.subject))))

    def end(self) -> None:
        drive(revoke_all(self.store, self._somebody()))

    def change_roles(self) -> None:
        drive(change_subject(self.store, self._somebody(), lambda state: state.moved()))

    def end_client(self) -> None:
        drive(self.store.commit(Commit(clients=(drive(self.store.client("api")).ended(),))))

    def sweep(self) -> None:
        drive(self.store.sweep(now=NOW + timedelta(seconds=2), limit=7))

    def _somebody(self) -> str:
        return self._chance.choice(SUBJECTS)

    @contextmanager
    def busy(self, steps: Sequence[Callable[[], None]]) -> Iterator[list[BaseException]]:
        """While they do it. Answers what failed, after which that one does no more."""
        is_over, failed = threading.Event(), []

        def repeat(step: Callable[[], None]) -> None:
            while not is_over.is_set():
                try:
                    step()
                except BaseException as why:  # noqa: BLE001 - told to the test
                    failed.append(why)
                    return
                self.done += 1

        threads = [threading.Thread(target=repeat, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        try:
            yield failed
        finally:
            is_over.set()
            for thread in threads:
                thread.join()


@contextmanager
def crowd(url: str) -> Iterator[Crowd]:
    store = PostgresStore(url).blocking()
    for number in range(20):
        session = a_session(f"s-{number}", subject=SUBJECTS[number % 5])
        session = session.with_index(drive(an_index(store)), now=NOW)
        drive(store.commit(Commit(sessions=(session,))))  # where it is not there yet
    yield Crowd(store)
    drive(store.close())


def rings(server: PostgresServer) -> int:
    """How many there were, also of those that need nobody undone."""
    return len(
        re.findall("deadlock detected|avoided deadlock", (server.folder / "log").read_text())
    )


def test_who_writes_sweeps_and_restores_at_once_waits_in_no_ring(server: PostgresServer) -> None:
    """A restore that is declared while people sign in and out comes to its end."""
    with new_schema(server.url) as url, crowd(url) as people:
        before = rings(server)
        steps = [people.look, people.change_roles, people.end_client, people.sweep]
        steps += 2 * [people.sign_in, people.end]
        with people.busy(steps) as failed:
            until = time.monotonic() + 2
            while time.monotonic() < until:
                drive(people.store.begin_epoch(now=NOW, reached=lambda position: position))
                time.sleep(0.05)
        assert (rings(server) - before, failed) == (0, [])
        assert people.done > 50


def test_who_ends_a_client_and_who_restores_wait_in_no_ring_with_a_sign_in(
    server: PostgresServer,
) -> None:
    """That has the lock of its client, and not yet that of the epoch."""
    with new_schema(server.url) as url, crowd(url) as people:
        before, store = rings(server), people.store
        client, has_one, may_go_on = (
            drive(store.client("web")),
            threading.Event(),
            threading.Event(),
        )

        async def sign_in(transaction: Transaction) -> None:
            await transaction.lock("client web", shared=True)
            has_one.set()
            assert may_go_on.wait(10)
            with suppress(commits.ExpectationFailed):  # one of the others was faster
                await commits.write(transaction, Commit(unchanged=(client,), events=(an_event(),)))

        async def restore() -> None:
            await store.begin_epoch(now=NOW, reached=lambda position: position)

        steps = [store.rows.transaction(sign_in), store.commit(Commit(clients=(client.ended(),)))]
        threads = [threading.Thread(target=drive, args=(step,)) for step in [*steps, restore()]]
        for thread in threads:
            thread.start()
            assert has_one.wait(10)
            time.sleep(0.1)
        may_go_on.set()
        for thread in threads:
            thread.join()
        assert rings(server) == before


def test_who_moves_the_sessions_elsewhere_waits_in_no_ring(
    server: PostgresServer, tmp_path: Path
) -> None:
    """With those who read and write, up to when the tables lose their names, and after that."""
    with ExitStack() as stack:
        target = stack.enter_context(empty_valkey())
        url = stack.enter_context(new_schema(server.url))
        nodes = [stack.enter_context(crowd(url)) for _ in range(4)]
        drive(migrate(nodes[0].store.rows, component="server", package=PACKAGE))
        before = rings(server)
        for node in nodes:
            stack.enter_context(node.busy([node.look, node.look, node.sign_in, node.end]))
        time.sleep(0.3)
        move = partial(move_sessions, tmp_path, url, target, durability="durable")
        assert move(progress=lambda _: None).rows >= 20
        time.sleep(0.1)
        assert rings(server) == before


def test_a_move_that_is_given_up_waits_in_no_ring(server: PostgresServer, tmp_path: Path) -> None:
    """Its triggers go while somebody reads one table and then another. It waits for them."""
    with new_schema(server.url) as url, crowd(url) as people:
        before = rings(server)
        move = ExitStack()
        move.enter_context(move.enter_context(source_of(tmp_path, url)).noting())
        with people.store.rows.database.open() as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT 1 FROM cf_sessions")
            leaving = threading.Thread(target=move.close)
            leaving.start()
            time.sleep(0.2)
            reader.execute("SELECT 1 FROM cf_subjects")
            reader.execute("COMMIT")
        leaving.join()
        assert rings(server) == before
        drive(opened(people.store, a_session("after")))
        count = partial(people.store.rows.all, "SELECT count(*) FROM pg_trigger WHERE tgname = ?")
        assert drive(count(("cf_moving",))) == [(0,)]
