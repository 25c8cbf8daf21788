"""A cluster in which a replica takes over, where the operator said that it may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from coming_back import until_back
from counterfoil.errors import ConfigurationError
from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.records import NOW, found, revoke
from engines.valkey import IN_CLUSTER, url_of
from live import until
from redis_cluster import SESSION, SHARDS, one_in_each_shard, until_fed
from valkeys import valkey_cluster, valkey_server

if TYPE_CHECKING:
    from engines.valkey import ValkeyServer

pytestmark = pytest.mark.anyio
GONE = SHARDS - 1  # a shard of the last master


async def test_a_replica_that_takes_over_answers_for_its_master() -> None:
    """Replication tells of what was acknowledged only afterwards, so a master that has a replica is
    none to rely on; else the store finds who has its shards now, and finds no fault with a former
    master that has come back and follows."""
    with valkey_cluster() as masters, valkey_server(**IN_CLUSTER) as replica:
        first = await asyncio.to_thread(RedisStore, url_of(masters))
        kept = await one_in_each_shard(first)
        await first.close()
        follow(masters[-1], replica)
        with pytest.raises(ConfigurationError, match="Take the replicas away"):
            await asyncio.to_thread(RedisStore, url_of(masters))
        store = await asyncio.to_thread(
            RedisStore, url_of(masters), durability="may-lose-on-failover"
        )
        masters[-1].kill()
        assert await until_back(store, SESSION[GONE], within=30) > 0
        for shard in range(SHARDS):
            assert await store.look_up(SESSION[shard]) == kept[shard]
        await revoke(store, SESSION[GONE])
        await until_fed(store, None)
        masters[-1].start()
        with masters[-1].client() as console:
            until(lambda: console.info("replication")["role"] == "slave")
        for _ in range(20):
            assert (await found(store, SESSION[GONE])).session.ended_at == NOW
            await asyncio.sleep(0.05)
        await store.close()


def follow(master: ValkeyServer, replica: ValkeyServer) -> None:
    """Returns when it has all that its master has, and the master knows of it."""
    with master.client() as theirs, replica.client() as own:
        name = theirs.execute_command("CLUSTER", "MYID").decode()
        bus = replica.settings["cluster-port"]
        theirs.execute_command("CLUSTER", "MEET", "127.0.0.1", replica.port, bus)
        until(lambda: name in str(own.execute_command("CLUSTER", "NODES")))
        own.execute_command("CLUSTER", "REPLICATE", name)
        until(lambda: own.info("replication").get("master_link_status") == "up")
        until(lambda: theirs.info("replication")["connected_slaves"] == 1)
