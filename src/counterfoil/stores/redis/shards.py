"""Where what belongs together lies: a shard is one hash slot, and what a commit touches one shard.

The slot of a key is CRC16 of what stands in its first braces, modulo 16384 (Redis Cluster
specification, "Key distribution model"). Each shard's name is chosen so that its slot lies in its
own part of all slots, so that masters, which have a range of them each, have as many shards.
"""

from __future__ import annotations

import binascii
import zlib
from functools import cache
from itertools import count
from typing import Final

from counterfoil.stores.redis.records import name_of

SLOTS: Final = 16_384
ALONE: Final = 1
IN_CLUSTER: Final = 16


def shard_of(name: str, shards: int) -> int:
    """In which shard a subject, or a session by its id, lies."""
    return zlib.crc32(name_of(name)) % shards if shards > 1 else 0


@cache
def prefixes(shards: int) -> tuple[str, ...]:
    """What the keys of each shard begin with."""
    return tuple(_prefix(shard, shards) for shard in range(shards))


def _prefix(shard: int, shards: int) -> str:
    tag = next(
        tag
        for tag in (f"cf{shard}.{attempt}" for attempt in count())
        if slot_of(tag) * shards // SLOTS == shard
    )
    return f"{{{tag}}}:"


def slot_of_prefix(prefix: str) -> int:
    return slot_of(prefix[1 : prefix.index("}")])


def slot_of(tag: str) -> int:
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS
