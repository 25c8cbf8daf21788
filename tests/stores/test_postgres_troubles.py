"""What becomes of calls while PostgreSQL has no room, or is late: nothing that was acknowledged is
lost, what cannot be known is said, and all goes on by itself."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.stores import postgres_connection, postgres_line, postgres_rows
from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.records import a_session, found, opened, revoke
from passing_on import Delay, port_of
from postgresql import new_schema, postgres_server
from small_disks import small_disk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from small_disks import SmallDisk

pytestmark = pytest.mark.anyio
PATIENCE: Final = 0.5


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk]:
    with small_disk() as disk:
        yield disk


@pytest.fixture(scope="module")
def delay() -> Delay:
    return Delay()


@pytest.fixture(scope="module")
def late_url(delay: Delay) -> Iterator[str]:
    with (
        postgres_server() as server,
        port_of(server.folder / ".s.PGSQL.5432", None, delay) as port,
    ):
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@pytest.fixture
def late(late_url: str, delay: Delay, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresStore]:
    """A store for whose answers nobody waits for long."""
    for module in (postgres_connection, postgres_line, postgres_rows):
        monkeypatch.setattr(module, "PATIENCE", PATIENCE)
    with new_schema(late_url) as url:
        store = PostgresStore(url)
        yield store
        delay.seconds = 0.0
        drive(store.close())


async def acknowledged(work: Callable[[str], Awaitable[object]], names: Iterable[str]) -> list[str]:
    """Those for whom it was done; all others were told that the disk is full."""
    done: list[str] = []
    for name in names:
        try:
            await work(name)
        except StoreUnavailable as why:
            assert why.detail == "PostgreSQL's disk is full."  # noqa: PT017 - others were done
        else:
            done.append(name)
    return done


async def test_a_full_disk_refuses_writes_and_nothing_else(disk: SmallDisk) -> None:
    """Sessions are looked up as before. What was acknowledged holds, what was not has not happened,
    and is done as soon as there is room: nothing has to be started again."""
    with new_schema(disk.server.url) as url:
        store = PostgresStore(url)

        async def begin(name: str) -> None:
            await opened(store, a_session(name, subject=name))

        async def end(name: str) -> None:
            await revoke(store, name)

        async def is_over(name: str) -> bool:
            return (await found(store, name)).session.ended_at is not None

        begun = await acknowledged(begin, [f"s-{number}" for number in range(40)])
        with disk.full():
            begun += await acknowledged(begin, [f"s-{number}" for number in range(40, 400)])
            assert 40 <= len(begun) < 400
            ended = await acknowledged(end, begun)
            assert len(ended) < len(begun)
            assert [name for name in begun if await is_over(name)] == ended
        assert [name for name in begun if await is_over(name)] == ended
        left = [name for name in begun if name not in ended]
        assert await acknowledged(end, left) == left
        assert await acknowledged(begin, ["later"])
        await store.close()


async def test_a_database_that_is_late_is_waited_for(late: PostgresStore, delay: Delay) -> None:
    """Nothing is refused, and those that have gathered wait together and not one for another."""
    first = await opened(late, a_session())
    delay.seconds = PATIENCE / 3
    began = time.monotonic()
    answers = await asyncio.gather(*(late.look_up("s-1") for _ in range(200)))
    assert time.monotonic() - began < 5 * PATIENCE
    assert answers == [first] * 200
    assert (await revoke(late, "s-1")).ended_at


async def test_a_database_that_is_too_late_is_away(late: PostgresStore, delay: Delay) -> None:
    """Its answer is awaited by nobody any more: who asked is told that nobody knows, and is not
    given an answer to another question."""
    first = await opened(late, a_session())
    await opened(late, a_session("s-2", subject="user-2"))
    delay.seconds = 4 * PATIENCE
    with pytest.raises(StoreUnavailable):
        await late.look_up("s-1")
    with pytest.raises(StoreUnavailable):
        await revoke(late, "s-2")
    delay.seconds = 0.0
    await until_back(late)
    assert await late.look_up("s-1") == first
    assert (await revoke(late, "s-2")).ended_at


async def until_back(store: PostgresStore) -> None:
    give_up = time.monotonic() + 10
    while True:
        try:
            await store.look_up("s-1")
        except StoreUnavailable:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
        else:
            return
