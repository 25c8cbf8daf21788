"""What becomes of a cluster of three masters while one of them is gone, or shards are moved."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from coming_back import count_turns, until_back
from counterfoil.errors import StoreUnavailable
from counterfoil.ports import Commit
from counterfoil.stores.redis.shards import prefixes, slot_of_prefix
from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.records import NOW, found, revoke
from engines.valkey import url_of
from redis_cluster import SESSION, SHARDS, emptied, one_in_each_shard, until_fed, until_takes_part
from valkeys import valkey_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from engines.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[ValkeyServer]]:
    with valkey_cluster() as servers:
        yield servers


@pytest.fixture
def store(cluster: list[ValkeyServer]) -> Iterator[RedisStore]:
    with emptied(cluster) as store:
        yield store


async def test_where_one_master_is_gone_the_others_go_on(
    cluster: list[ValkeyServer], store: RedisStore
) -> None:
    """Sessions of its shards get no answer, all others do; the feed, which needs all, has none. It
    comes back with all that it acknowledged."""
    kept = await one_in_each_shard(store)
    gone = shards_of(cluster[1])
    assert 4 <= len(gone) <= 6
    revoked = await revoke(store, SESSION[min(gone)])
    position = (await store.feed(None, now=NOW)).position
    cluster[1].kill()
    for _ in range(3):
        for shard in range(SHARDS):
            if shard in gone:
                with pytest.raises(StoreUnavailable):
                    await store.look_up(SESSION[shard])
                with pytest.raises(StoreUnavailable):
                    await revoke(store, SESSION[shard])
            else:
                assert await store.look_up(SESSION[shard]) == kept[shard]
        with pytest.raises(StoreUnavailable):
            await store.feed(position, now=NOW)
    await revoke(store, SESSION[max(set(range(SHARDS)) - gone)])
    cluster[1].start()
    assert await until_back(store, SESSION[min(gone)]) < 5  # a node of a cluster waits by itself
    assert (await found(store, SESSION[min(gone)])).session == revoked
    read = await until_fed(store, position)
    assert read.position.number == position.number + 1
    for shard in gone - {min(gone)}:
        assert await store.look_up(SESSION[shard]) == kept[shard]


async def test_a_master_that_says_nothing_does_not_hold_up_the_others(
    cluster: list[ValkeyServer], store: RedisStore
) -> None:
    """Each of its shards is not waited for by itself, and once it is known to be silent, nobody
    waits for it at all."""
    await one_in_each_shard(store)
    silent = shards_of(cluster[2])
    cluster[2].pause()

    async def looked_up(shard: int) -> tuple[bool, float]:
        began = time.monotonic()
        try:
            await store.look_up(SESSION[shard])
        except StoreUnavailable:
            return False, time.monotonic() - began
        return True, time.monotonic() - began

    async def all_of_them() -> list[tuple[bool, float]]:
        return await asyncio.gather(*(looked_up(shard) for shard in [*range(SHARDS)] * 10))

    async with count_turns() as turns:
        began = time.monotonic()
        first = await all_of_them()
        assert max(seconds for _, seconds in first) < 4.5
        assert turns() > 50 * (time.monotonic() - began)
    for _ in range(20):
        for number, (answered, seconds) in enumerate(await all_of_them()):
            assert answered == (number % SHARDS not in silent)
            assert seconds < 0.5
        with pytest.raises(StoreUnavailable):
            await store.feed(None, now=NOW)
        await asyncio.sleep(0.05)
    cluster[2].resume()
    assert await until_back(store, SESSION[min(silent)]) < 1


async def test_a_process_may_begin_while_one_master_is_gone(
    cluster: list[ValkeyServer], store: RedisStore
) -> None:
    """Or the outage would grow with each process that is started anew. The one that is gone is
    looked at when it is back."""
    kept = await one_in_each_shard(store)
    gone = shards_of(cluster[0])
    there = min(set(range(SHARDS)) - gone)
    # Not the one of the first shard, which says how many there are.
    cluster[2].kill()
    late = RedisStore(url_of(cluster))
    assert await late.look_up(SESSION[there]) == kept[there]
    with pytest.raises(StoreUnavailable):
        await late.look_up(SESSION[SHARDS - 1])
    cluster[2].start()
    await until_back(late, SESSION[SHARDS - 1])
    assert await late.look_up(SESSION[SHARDS - 1]) == kept[SHARDS - 1]
    await until_fed(late, None)
    await late.close()


async def test_where_all_masters_are_gone_nothing_is_answered(
    cluster: list[ValkeyServer], store: RedisStore
) -> None:
    """In the words of a store, and not of its driver."""
    await one_in_each_shard(store)
    for server in cluster:
        server.kill()
    began = time.monotonic()
    for shard in range(SHARDS):
        with pytest.raises(StoreUnavailable):
            await store.look_up(SESSION[shard])
        with pytest.raises(StoreUnavailable):
            await revoke(store, SESSION[shard])
    with pytest.raises(StoreUnavailable):
        await store.feed(None, now=NOW)
    assert time.monotonic() - began < 3
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(RedisStore, url_of(cluster))
    for server in cluster:
        server.start()
    for shard in range(SHARDS):
        await until_back(store, SESSION[shard], within=15)


async def test_a_shard_that_is_being_moved_answers_when_it_has_arrived(
    cluster: list[ValkeyServer], store: RedisStore
) -> None:
    """Key by key it goes to another master. Until all are there nothing is answered of it: a half
    would say that a session is absent, or take a half of a commit."""
    kept = await one_in_each_shard(store)
    prefix = prefixes(SHARDS)[3]
    moving = Moving(cluster[0], cluster[1], slot_of_prefix(prefix))
    position = (await store.feed(None, now=NOW)).position
    moving.begin()
    keys = moving.left()
    assert len(keys) > 4
    another = Commit(sessions=(replace(kept[3].session, device="a").following(kept[3].session),))
    for number in range(len(keys)):
        for call in (store.look_up(SESSION[3]), store.all_of_subject(kept[3].session.subject)):
            with pytest.raises(StoreUnavailable):
                await call
        with pytest.raises(StoreUnavailable):
            await revoke(store, SESSION[3])
        with pytest.raises(StoreUnavailable):
            await store.commit(another)
        assert await store.look_up(SESSION[4]) == kept[4]
        moving.bring(keys[number])
    moving.end()
    assert await store.look_up(SESSION[3]) == kept[3]
    await revoke(store, SESSION[3])
    assert (await store.feed(position, now=NOW)).position.number == position.number + 1
    back = Moving(cluster[1], cluster[0], moving.slot)
    back.begin()
    for key in back.left():
        back.bring(key)
    back.end()
    assert (await found(store, SESSION[3])).session.ended_at == NOW


async def test_shards_of_a_master_that_is_gone_for_good_are_found_elsewhere(
    cluster: list[ValkeyServer], store: RedisStore
) -> None:
    """It was emptied of them before it was taken away, or another one took over; nobody is left to
    say so but the others."""
    kept = await one_in_each_shard(store)
    prefix = prefixes(SHARDS)[SHARDS - 1]
    moving = Moving(cluster[2], cluster[1], slot_of_prefix(prefix))
    moving.begin()
    for key in moving.left():
        moving.bring(key)
    moving.end()
    cluster[2].kill()
    assert await until_back(store, SESSION[SHARDS - 1]) < 3
    assert await store.look_up(SESSION[SHARDS - 1]) == kept[SHARDS - 1]
    cluster[2].start()
    until_takes_part(cluster[2])
    back = Moving(cluster[1], cluster[2], moving.slot)
    back.begin()
    for key in back.left():
        back.bring(key)
    back.end()
    await until_fed(store, None)


class Moving:
    """A slot on its way from one master to another, as redis-cli has it moved."""

    def __init__(self, source: ValkeyServer, target: ValkeyServer, slot: int) -> None:
        self.slot = slot
        self._source, self._target = source, target

    def begin(self) -> None:
        with self._source.client() as source, self._target.client() as target:
            ours, theirs = name_of_node(source), name_of_node(target)
            target.execute_command("CLUSTER", "SETSLOT", self.slot, "IMPORTING", ours)
            source.execute_command("CLUSTER", "SETSLOT", self.slot, "MIGRATING", theirs)

    def left(self) -> list[bytes]:
        with self._source.client() as source:
            told: list[bytes] = source.execute_command("CLUSTER", "GETKEYSINSLOT", self.slot, 1000)
        return told

    def bring(self, key: bytes) -> None:
        with self._source.client() as source:
            source.execute_command("MIGRATE", "127.0.0.1", self._target.port, key, 0, 5000)

    def end(self) -> None:
        with self._source.client() as source, self._target.client() as target:
            theirs = name_of_node(target)
            for console in (target, source):
                console.execute_command("CLUSTER", "SETSLOT", self.slot, "NODE", theirs)


def name_of_node(console: Redis) -> str:
    name: bytes = console.execute_command("CLUSTER", "MYID")
    return name.decode()


def shards_of(server: ValkeyServer) -> set[int]:
    """Which shards lie on a server, as it says itself."""
    with server.client() as console:
        told: list[Any] = console.execute_command("CLUSTER", "SLOTS")
    own = [(first, last) for first, last, node, *_ in told if int(node[1]) == server.port]
    return {
        shard
        for shard, prefix in enumerate(prefixes(SHARDS))
        if any(first <= slot_of_prefix(prefix) <= last for first, last in own)
    }
