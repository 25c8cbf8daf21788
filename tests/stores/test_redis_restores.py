"""A cluster of which a part was emptied, or put back from a copy: nothing is answered until that is
declared, and nothing revoked comes back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from coming_back import until_back
from counterfoil.drive import drive
from counterfoil.errors import RestoreUndeclared, StoreUnavailable
from counterfoil.ports import Commit
from counterfoil.stores.redis import epochs
from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.records import (
    NOW,
    a_session,
    change_subject,
    found,
    revoke,
    revoke_client,
    rotate,
)
from engines.valkey import url_of
from redis_cluster import (
    SESSION,
    SHARDS,
    SUBJECT,
    emptied,
    one_in_each_shard,
    until_takes_part,
)
from valkeys import valkey_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.status_change import Position
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


def onward(position: Position) -> Position:
    """What a witness says that has seen no more."""
    return position


async def declare(store: RedisStore) -> int:
    return await store.begin_epoch(now=NOW, reached=onward)


async def all_is_well(store: RedisStore, name: str) -> None:
    """Every verb works in every shard, the feed hears of it, and no earlier session lives."""
    position = (await store.feed(None, now=NOW)).position
    for shard, subject in enumerate(SUBJECT):
        if (was := await store.look_up(SESSION[shard])) is not None:
            assert was.session.ended_at is not None
        client = await store.client("web")
        session = a_session(f"{name}-{shard}", subject=subject)
        state = (await store.subject(subject)).moved()
        new = Commit(sessions=(session,), subjects=(state,), unchanged=(client,), moves_feed=True)
        assert await store.commit(new)
        kept = await found(store, session.id)
        assert await rotate(store, kept, bytes([shard]) * 32)
        await change_subject(store, subject, lambda state: state.ended())
        await revoke(store, session.id)
    read = await store.feed(position, now=NOW)
    assert read.position.number >= position.number + SHARDS
    await revoke_client(store, "web")


@pytest.mark.parametrize("emptied_one", [0, 1])
async def test_a_master_that_was_emptied_is_noticed_by_every_reader(
    cluster: list[ValkeyServer], store: RedisStore, emptied_one: int
) -> None:
    """By those that have read before, and by those that begin later. Once it is declared all shards
    are good again, the emptied ones too."""
    await one_in_each_shard(store)
    await revoke_client(store, "other")
    await revoke_client(store, "web")
    for session_id in SESSION[::2]:
        await revoke(store, session_id)
    position = (await store.feed(None, now=NOW)).position
    with cluster[emptied_one].client() as console:
        console.flushall()
    late = RedisStore(url_of(cluster))
    for reader in (store, late):
        for after in (position, None):
            with pytest.raises(RestoreUndeclared):
                await reader.feed(after, now=NOW)
    assert await declare(store) == 0
    for reader in (store, late):
        read = await reader.feed(position, now=NOW)
        assert read.after is None
        assert read.position.epoch != position.epoch
        assert read.position.store == position.store
    await all_is_well(late, "late")
    await late.close()
    drive(RedisStore(url_of(cluster)).close())


@pytest.mark.parametrize("older", [0, 1])
async def test_a_master_that_was_put_back_from_a_copy_is_noticed_by_every_reader(
    cluster: list[ValkeyServer], store: RedisStore, older: int
) -> None:
    """What was revoked since lives in it, and never again after it was declared."""
    await one_in_each_shard(store)
    for session_id in SESSION[:8]:
        await revoke(store, session_id)
    await store.feed(None, now=NOW)
    server = cluster[older]
    own, copy = server.folder / "appendonlydir", server.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    server.kill()
    shutil.copytree(own, copy)
    await back(server, store)
    for session_id in SESSION[8:]:
        await revoke(store, session_id)
    position = (await store.feed(None, now=NOW)).position
    server.kill()
    shutil.rmtree(own)
    shutil.copytree(copy, own)
    await back(server, store)
    late = RedisStore(url_of(cluster))
    for reader in (store, late):
        with pytest.raises(RestoreUndeclared):
            await reader.feed(position, now=NOW)
    await late.begin_epoch(now=NOW, reached=lambda _: position)
    await all_is_well(store, "later")
    await late.close()


async def test_a_restore_that_came_to_no_end_is_declared_again(store: RedisStore) -> None:
    """Whoever declared it was killed in the middle: until somebody else does, nothing is answered,
    and all sessions have ended already."""
    await one_in_each_shard(store)

    def die(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await store.begin_epoch(now=NOW, reached=onward, progress=die)
    for _ in range(2):
        with pytest.raises(RestoreUndeclared):
            await store.feed(None, now=NOW)
    assert [(await found(store, each)).session.ended_at for each in SESSION] == [NOW] * SHARDS
    assert await declare(store) == SHARDS
    await all_is_well(store, "after")


async def test_of_two_who_declare_a_restore_at_once_one_is_refused(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes no shard back to an earlier leap, in which nobody could sign in any more."""
    await one_in_each_shard(store)
    other: list[None] = []
    leap = epochs._leap  # noqa: SLF001 - the step before which the other comes

    def leap_later(shards: Any, shard: int, *rest: Any) -> bytes:
        if shard == 7 and not other:
            other.append(None)
            drive(store.blocking().begin_epoch(now=NOW, reached=onward))
        return leap(shards, shard, *rest)

    monkeypatch.setattr(epochs, "_leap", leap_later)
    with pytest.raises(StoreUnavailable, match="Somebody else"):
        await declare(store)
    await all_is_well(store, "after")


async def test_who_signs_in_while_a_restore_is_declared_locks_nobody_out(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first shard has leapt, and theirs has not: what it hears of the client is of the leap to
    come. The session has ended with all others."""
    await one_in_each_shard(store)
    await revoke_client(store, "web")
    leap = epochs._leap  # noqa: SLF001 - the step before which they come

    def leap_later(shards: Any, shard: int, *rest: Any) -> bytes:
        if shard == 7:
            blocking = store.blocking()
            client = drive(blocking.client("web"))
            early = a_session("early", subject=SUBJECT[7])
            drive(blocking.commit(Commit(sessions=(early,), unchanged=(client,))))
        return leap(shards, shard, *rest)

    monkeypatch.setattr(epochs, "_leap", leap_later)
    await declare(store)
    if (early := await store.look_up("early")) is not None:
        assert early.session.ended_at == NOW
    await all_is_well(store, "after")


async def back(server: ValkeyServer, store: RedisStore) -> None:
    server.start()
    until_takes_part(server)
    for session_id in SESSION:
        await until_back(store, session_id)
