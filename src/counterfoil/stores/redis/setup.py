"""What a Redis or Valkey must be set to, looked at before it is relied on, and made ready."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from redis import Redis, RedisError
from redis.cluster import RedisCluster
from redis.exceptions import NoPermissionError, ResponseError

from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.stores.redis.address import Address, masters
from counterfoil.stores.redis.place import RedisPlace, Shards
from counterfoil.stores.redis.shards import ALONE, IN_CLUSTER, prefixes

if TYPE_CHECKING:
    from counterfoil.stores.postgres_setup import Durability
    from counterfoil.stores.redis.address import Client

ARRIVING: Final = "arriving"  # a fact of the first shard, while another store is moved here
FORMAT: Final = "1"
OLDEST: Final = (7, 0)
EPOCH_BYTES: Final = 12
_NONCE_BITS: Final = 63
_WEAKER: Final = "or say durability='may-lose-on-failover', and every answer says it too."


def opened(address: str, durability: Durability, *, arriving: bool = False) -> RedisPlace:
    """What is at an address, looked at and made ready. arriving: for who moves another store there.
    Raises `ConfigurationError` and `StoreUnavailable`."""
    where = Address(address)
    try:
        client = where.connect()
        try:
            shards = require_fit(client, durability)
        finally:
            client.close()
    except RedisError as why:
        raise StoreUnavailable(f"Redis does not answer: {type(why).__name__}.") from why
    place = RedisPlace(where, shards=shards)
    try:
        prepare(Shards(place), arriving=arriving)
    except BaseException:
        place.close()
        raise
    return place


def require_fit(client: Client, durability: Durability) -> int:
    """How many shards it is to have. Raises `ConfigurationError`, in one sentence, where it may
    lose what it acknowledged."""
    for master in masters(client):
        told = _told(master)
        version = tuple(int(part) for part in str(told["redis_version"]).split(".")[:2])
        if version < OLDEST:
            raise ConfigurationError("Use Redis 7.0, or Valkey 7.2, or newer.")
        if durability == "durable":
            _require_durable(master, told)
    return IN_CLUSTER if isinstance(client, RedisCluster) else ALONE


def prepare(shards: Shards, *, arriving: bool = False) -> None:
    """Makes ready what was not. Any number of nodes may do so at once. Raises `ConfigurationError`
    where something else is there, and `StoreUnavailable`."""
    own = secrets.token_hex(EPOCH_BYTES)
    epoch, kept, count, first = _prepare(shards, 0, own, FORMAT, shards.count)
    if kept.decode() != FORMAT or int(count) != shards.count:
        raise ConfigurationError(
            "Open this store with the version of Counterfoil that has written it, and as what it"
            " was made: alone, or a cluster."
        )
    facts = prefixes(shards.count)[0] + "f"
    if shards.ask(0, lambda it: it.hexists(facts, ARRIVING), again=True) and not arriving:
        raise ConfigurationError(
            "Begin `counterfoil store migrate` into this Redis again: one has come to no end."
        )
    key = prefixes(shards.count)[0] + "m"

    def ask(client: Client) -> Any:
        return client.hgetall(key)

    known = shards.ask(0, ask, again=True)
    for shard in range(shards.count):
        if b"%d" % shard in known:
            continue
        if shard:
            other, *_, first = _prepare(shards, shard, epoch.decode(), "", 0)
            if other != epoch:
                raise ConfigurationError(
                    "Put back what is missing: only a part of a store is here. Or empty all of it."
                )

        def note(client: Client, shard: int = shard, first: bytes = first) -> Any:
            return client.hsetnx(key, str(shard), first)

        shards.ask(0, note, again=True)


def _prepare(shards: Shards, shard: int, epoch: str, version: str, count: int) -> Any:
    nonce = secrets.randbits(_NONCE_BITS)
    return shards.run(shard, "prepare", epoch, nonce, version, count, again=True)


def _told(master: Redis) -> dict[str, Any]:
    told: dict[str, Any] = {**master.info("server"), **master.info("replication")}
    return told


def _require_durable(master: Redis, told: dict[str, Any]) -> None:
    try:
        names = ("appendonly", "appendfsync", "maxmemory-policy")
        found = {name: master.config_get(name).get(name) for name in names}
    except (NoPermissionError, ResponseError):
        raise ConfigurationError(
            "Let Counterfoil read the settings of Redis (CONFIG GET), to see that it keeps what it"
            f" acknowledges; {_WEAKER}"
        ) from None
    except RedisError as why:
        raise StoreUnavailable(f"Redis does not answer: {type(why).__name__}.") from why
    settings = {name: _text(value) for name, value in found.items()}
    if (settings["appendonly"], settings["appendfsync"]) != ("yes", "always"):
        raise ConfigurationError(
            "Set appendonly to yes and appendfsync to always: Redis would lose what it acknowledged"
            f" in a crash; {_WEAKER}"
        )
    if settings["maxmemory-policy"] != "noeviction":
        raise ConfigurationError(
            "Set maxmemory-policy to noeviction: Redis would forget what was revoked where memory"
            f" is short; {_WEAKER}"
        )
    if int(told.get("connected_slaves", 0)):
        raise ConfigurationError(
            "Take the replicas away: one that takes over lacks the last revocations, because Redis"
            f" acknowledges before it replicates; {_WEAKER}"
        )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
