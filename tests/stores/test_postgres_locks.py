"""What two transactions of one PostgreSQL do to each other, one of them held open in the middle."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.ports import Commit
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.statements import commits, epochs, status
from counterfoil.stores.statements.records import micros
from counterfoil.subject import ClientState
from counterfoil.testing.records import NOW, a_session, found, opened, revoke
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from counterfoil.stores.postgres_connection import Connection
    from counterfoil.stores.rows import Transaction

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store() -> AsyncIterator[PostgresStore]:
    with new_schema() as url:
        store = PostgresStore(url)
        yield store
        await store.close()


class Held:
    """A transaction that has done all it does, and is not committed yet."""

    def __init__(
        self, store: PostgresStore, body: Callable[[Transaction], Coroutine[Any, Any, Any]]
    ) -> None:
        self._done, self._may_end = threading.Event(), threading.Event()

        async def held(transaction: Transaction) -> None:
            await body(transaction)
            self._done.set()
            assert self._may_end.wait(10)

        self._running = asyncio.ensure_future(store.rows.transaction(held))

    async def reached(self) -> Held:
        assert await asyncio.to_thread(self._done.wait, 10)
        return self

    async def end(self) -> None:
        self._may_end.set()
        await self._running


async def waits(task: asyncio.Future[Any]) -> bool:
    await asyncio.wait([task], timeout=0.2)
    return not task.done()


@pytest.mark.parametrize("known", [False, True])
async def test_who_ends_all_sessions_of_a_client_waits_for_those_that_begin(
    store: PostgresStore, *, known: bool
) -> None:
    """Also where the client was never written before, so that there is no row to hold. Otherwise
    the sign-in would commit after the list of sessions was read, and outlive it."""
    if known:
        assert await store.commit(Commit(clients=((await store.client("web")).ended(),)))
    client = await store.client("web")
    signing_in = Commit(sessions=(a_session(),), unchanged=(client,))
    sign_in = await Held(store, lambda held: commits.write(held, signing_in)).reached()
    ending = asyncio.ensure_future(store.commit(Commit(clients=(client.ended(),))))
    assert await waits(ending)
    await sign_in.end()
    assert await ending
    assert await store.look_up("s-1") is not None


async def test_who_signs_in_waits_for_who_ends_all_sessions_of_the_client(
    store: PostgresStore,
) -> None:
    """And comes too late then."""
    client = await store.client("web")
    end_all = Commit(clients=(client.ended(),))
    ending = await Held(store, lambda held: commits.write(held, end_all)).reached()
    late = Commit(sessions=(a_session(),), unchanged=(client,))
    signing_in = asyncio.ensure_future(store.commit(late))
    assert await waits(signing_in)
    await ending.end()
    assert await signing_in is False
    assert await store.look_up("s-1") is None


async def test_sign_ins_of_a_client_do_not_wait_for_each_other(store: PostgresStore) -> None:
    """Nor for those of another client, nor for a revocation."""
    client = await store.client("web")
    epoch = (await store.feed(None, now=NOW)).position.epoch
    await opened(store, a_session("s-0", subject="user-0"))
    first = Commit(sessions=(a_session(),), unchanged=(client,), epoch=epoch)
    held = await Held(store, lambda transaction: commits.write(transaction, first)).reached()
    session = a_session("s-2", subject="user-2")
    assert await store.commit(Commit(sessions=(session,), unchanged=(client,), epoch=epoch))
    await revoke(store, "s-0")
    await held.end()
    assert await found(store, "s-1")


async def test_an_epoch_begins_when_nobody_is_under_way(store: PostgresStore) -> None:
    """What is signed in to while a restore is declared either ends with all others or fails."""
    epoch = (await store.feed(None, now=NOW)).position.epoch
    commit = Commit(sessions=(a_session(),), epoch=epoch)
    sign_in = await Held(store, lambda held: commits.write(held, commit)).reached()
    beginning = asyncio.ensure_future(store.begin_epoch(now=NOW, reached=lambda position: position))
    assert await waits(beginning)
    await sign_in.end()
    assert await beginning == 1
    assert (await found(store, "s-1")).session.ended_at == NOW


async def test_who_signs_in_while_an_epoch_begins_is_too_late(store: PostgresStore) -> None:
    """They wait until it has begun, and have read of the one before."""

    async def begin(transaction: Transaction) -> None:
        await epochs.begin(
            transaction,
            now=NOW,
            reached=lambda position: position,
            because="restored",
            progress=None,
        )

    epoch = (await store.feed(None, now=NOW)).position.epoch
    beginning = await Held(store, begin).reached()
    commit = Commit(sessions=(a_session(),), epoch=epoch)
    signing_in = asyncio.ensure_future(store.commit(commit))
    assert await waits(signing_in)
    await beginning.end()
    assert await signing_in is False


async def test_who_takes_long_and_is_undone_for_others_does_it_again(store: PostgresStore) -> None:
    """As everybody else does: nobody declares a restore again because nodes were in its way."""
    await store.commit(
        Commit(clients=tuple(ClientState(client_id=name, version=1) for name in "ab"))
    )

    async def take(transaction: Transaction, client_id: str) -> None:
        await transaction.run("SET LOCAL deadlock_timeout = '1s'")
        await transaction.run("UPDATE cf_clients SET version = 2 WHERE client_id = ?", (client_id,))

    tries: list[None] = []
    has_one = threading.Event()

    async def patiently(transaction: Transaction) -> None:
        tries.append(None)
        await take(transaction, "b")
        has_one.set()
        await take(transaction, "a")

    async def meanwhile(transaction: Transaction) -> None:
        await take(transaction, "a")
        await transaction.run("SET LOCAL deadlock_timeout = '10s'")  # the other one is undone
        assert has_one.wait(10)
        await transaction.run("UPDATE cf_clients SET version = 2 WHERE client_id = 'b'")

    both = (store.rows.transaction(patiently, patient=True), store.rows.transaction(meanwhile))
    await asyncio.wait_for(asyncio.gather(*both), 20)
    assert len(tries) == 2


async def test_two_sweeps_leave_nothing_to_each_other(store: PostgresStore) -> None:
    """The second one waits, and does not take what the first has taken for all there is."""
    for number in range(6):
        await opened(store, a_session(f"s-{number}", absolute_end=NOW))
    swept = await asyncio.gather(*(store.sweep(now=NOW, limit=3) for _ in range(2)))
    assert swept == [3, 3]


async def test_nobody_waits_for_a_sweep(store: PostgresStore) -> None:
    """However long it takes: whoever looks up, signs in, signs out or reads the feed meanwhile is
    answered, also of a session that is being forgotten."""
    await opened(store, a_session("old", absolute_end=NOW))
    await opened(store, a_session("s-2", subject="user-2"))

    async def sweep(transaction: Transaction) -> None:
        await transaction.lock(status._SWEEPING)  # noqa: SLF001 - as the sweep does it
        assert await transaction.run(status._SWEEP, (micros(NOW), 100)) == 1  # noqa: SLF001 - as above

    sweeping = await Held(store, sweep).reached()
    meanwhile = asyncio.gather(
        store.look_up("old"),
        opened(store, a_session("s-3", subject="user-3")),
        revoke(store, "s-2"),
        store.feed(None, now=NOW),
    )
    old, _, ended, _ = await asyncio.wait_for(meanwhile, 5)
    assert old is not None
    assert ended.ended_at
    await sweeping.end()
    assert await store.look_up("old") is None


async def test_look_ups_that_come_together_are_one_statement(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are; each is told of its own session, or that there is none."""
    for number in range(3):
        await opened(store, a_session(f"s-{number}", subject=f"user-{number}"))
    lane = store.rows.database.lanes["look_ups"]
    taken: list[int] = []
    perform = lane._perform  # noqa: SLF001 - how many statements, nobody else can say

    def counted(connection: Connection, jobs: Sequence[Any]) -> None:
        taken.append(len(jobs))
        perform(connection, jobs)

    monkeypatch.setattr(lane, "_perform", counted)
    names = [f"s-{number % 4}" for number in range(200)]
    answers = await asyncio.gather(*map(store.look_up, names))
    assert [each.session.id if each else None for each in answers] == [
        None if name == "s-3" else name for name in names
    ]
    assert len(taken) < 20
    assert sum(taken) == 200


async def test_a_look_up_sees_all_that_was_acknowledged_before_it(store: PostgresStore) -> None:
    """While others look up the same session: none joins a statement that was sent before it."""
    await opened(store, a_session())
    over = False

    async def look_on() -> None:
        while not over:
            await store.look_up("s-1")

    others = [asyncio.ensure_future(look_on()) for _ in range(20)]
    for _ in range(100):
        before = await found(store, "s-1")
        after = before.session.used(now=NOW)
        assert await store.commit(Commit(sessions=(after.following(before.session),)))
        assert (await found(store, "s-1")).session.version == before.session.version + 1
    over = True
    await asyncio.gather(*others)
