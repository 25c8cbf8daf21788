"""What a Redis or Valkey must be set to, looked at before it is relied on, and made ready."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from redis import RedisError
from redis.exceptions import ResponseError

from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.status_change import Position
from counterfoil.stores.redis.address import Address, kind_of
from counterfoil.stores.redis.place import RedisPlace, Shards
from counterfoil.stores.redis.shards import ALONE, IN_CLUSTER, prefixes
from counterfoil.stores.statements.epochs import CHANCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from counterfoil.stores.durability import Durability
    from counterfoil.stores.redis.address import Layout

ARRIVING: Final = "arriving"  # a fact of the first shard, while another store is moved here
FORMAT: Final = "1"
OLDEST: Final = (7, 0)
EPOCH_BYTES: Final = 12
_NONCE_BITS: Final = 63
_WEAKER: Final = "or say durability='may-lose-on-failover', and every answer says it too."


def opened(address: str, durability: Durability, *, arriving: bool = False) -> RedisPlace:
    """What is at an address, looked at and made ready. arriving: for who moves another store there.
    Raises `ConfigurationError` and `StoreUnavailable`."""
    place = looked_at(address, durability)
    try:
        prepare(Shards(place), arriving=arriving)
    except BaseException:
        place.close()
        raise
    return place


def looked_at(address: str, durability: Durability) -> RedisPlace:
    """What is at an address, if it can be relied on; nothing is changed there. Raises
    `ConfigurationError` and `StoreUnavailable`."""
    where = Address(address)
    try:
        layout = where.layout()
    except RedisError as why:
        raise StoreUnavailable(f"Redis does not answer: {kind_of(why)}.") from why
    fit = partial(require_fit, durability=durability)
    place = RedisPlace(where, layout, shards=shards_in(layout), require_fit=fit)
    try:
        place.look()
    except BaseException:
        place.close()
        raise
    return place


def shards_in(layout: Layout) -> int:
    return IN_CLUSTER if layout.is_cluster else ALONE


def require_fit(master: Redis, durability: Durability) -> None:
    """Raises `ConfigurationError`, in one sentence, where it may lose what it acknowledged."""
    told: dict[str, Any] = {**master.info("server"), **master.info("replication")}
    version = tuple(int(part) for part in str(told["redis_version"]).split(".")[:2])
    if version < OLDEST:
        raise ConfigurationError("Use Redis 7.0, or Valkey 7.2, or newer.")
    if durability == "durable":
        _require_durable(master, told)


def prepare(shards: Shards, *, arriving: bool = False) -> None:
    """Makes ready what was not. Any number of nodes may do so at once. Raises `ConfigurationError`
    where something else is there, and `StoreUnavailable`."""
    own = _epoch_to_begin(shards)
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

    def ask(client: Redis) -> Any:
        return client.hgetall(key)

    known = shards.ask(0, ask, again=True)
    for shard in range(shards.count):
        if b"%d" % shard in known:
            continue
        if shard:
            other, *_, first = _prepare(shards, shard, epoch.decode(), "", 0)
            if other != epoch:
                continue  # only a part of a store is here: the feed says so, until it is mended

        def note(client: Redis, shard: int = shard, first: bytes = first) -> Any:
            return client.hsetnx(key, str(shard), first)

        shards.ask(0, note, again=True)


def _epoch_to_begin(shards: Shards) -> str:
    """Of a new store; or of the one that the other shards are of, where the first is empty: not
    theirs, or nobody would notice."""
    for shard, prefix in enumerate(prefixes(shards.count)):
        epoch: bytes | None = shards.ask(shard, _asks_epoch(prefix + "f"), again=True)
        if epoch is not None and shard:
            chance = secrets.token_hex(CHANCE_BYTES)
            return f"{Position(epoch.decode(), 0).store}-0-{chance}"
        if epoch is not None:
            break
    return secrets.token_hex(EPOCH_BYTES)


def _asks_epoch(key: str) -> Callable[[Redis], Any]:
    return lambda client: client.hget(key, "epoch")


def _prepare(shards: Shards, shard: int, epoch: str, version: str, count: int) -> Any:
    nonce = secrets.randbits(_NONCE_BITS)
    return shards.run(shard, "prepare", epoch, nonce, version, count, again=True)


def _require_durable(master: Redis, told: dict[str, Any]) -> None:
    try:
        names = ("appendonly", "appendfsync", "maxmemory-policy")
        found = {name: master.config_get(name).get(name) for name in names}
    except ResponseError:
        raise ConfigurationError(
            "Let Counterfoil read the settings of Redis (CONFIG GET), to see that it keeps what it"
            f" acknowledges; {_WEAKER}"
        ) from None
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
