"""A new epoch: what makes a store that was put back one to go on with.

Each shard leaps, in one step that ends all that is open there. The feed answers nobody from before
the first leap until all have been made; who is interrupted declares it again.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import StoreUnavailable
from counterfoil.events import Event
from counterfoil.status_change import Position, following_epoch
from counterfoil.stores.redis.records import event_text, name_of, session_of
from counterfoil.stores.redis.setup import FORMAT
from counterfoil.stores.redis.shards import prefixes
from counterfoil.stores.statements.epochs import CHANCE_BYTES
from counterfoil.stores.statements.records import micros

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from redis import Redis

    from counterfoil.stores.redis.place import Shards

_BY_OTHERS: Final = "Somebody else declares a restore."
_PAGE: Final = 1_000
_NONCE_BITS: Final = 63


def begin(
    shards: Shards,
    *,
    now: datetime,
    reached: Callable[[Position], Position],
    because: str,
    progress: Callable[[int], None] | None,
    name: str,
) -> int:
    feed, position, leapt = _standing(shards)
    chance = secrets.token_hex(CHANCE_BYTES)
    following = following_epoch(position, reached(position), now=now, chance=chance)
    leap = shards.run(0, "begin", feed, following, leapt, again=True)
    if leap is None:
        raise StoreUnavailable(_BY_OTHERS)
    ending = b"%d %b" % (micros(now), name_of(because))
    starts = [_leap(shards, shard, following, leap, ending) for shard in range(shards.count)]
    live = _count(shards, now, progress)
    event = Event(kind="store_restored", at=now, detail={"because": because, "sessions": live})
    made = FORMAT, shards.count
    if not shards.run(0, "finish", following, name, event_text(event), *made, *starts, again=True):
        raise StoreUnavailable(_BY_OTHERS)
    return live


def _leap(shards: Shards, shard: int, following: str, leap: int, ending: bytes) -> bytes:
    nonce, is_first = secrets.randbits(_NONCE_BITS), "" if shard else "1"
    first = shards.run(shard, "leap", following, leap, ending, nonce, is_first, again=True)
    if first is None:
        raise StoreUnavailable(_BY_OTHERS)
    return bytes(first)


def _standing(shards: Shards) -> tuple[str, Position, int]:
    """Of which epoch the feed is, empty where the first shard is; where it stands; and the furthest
    leap of any shard."""
    facts = [
        shards.ask(shard, _asks_facts(prefix + "f"), again=True)
        for shard, prefix in enumerate(prefixes(shards.count))
    ]
    feed, number = (facts[0][0] or b"").decode(), int(facts[0][1] or 0)
    epochs = [feed, *((epoch or b"").decode() for _, _, epoch, _ in facts)]
    leapt = max(int(leap or 0) for _, _, _, leap in facts)
    return feed, Position(next(filter(None, epochs), ""), number), leapt


def _asks_facts(key: str) -> Callable[[Redis], Any]:
    return lambda client: client.hmget(key, ["feed", "number", "epoch", "leap"])


def _count(shards: Shards, now: datetime, progress: Callable[[int], None] | None) -> int:
    """How many were live, of those that have ended."""
    live = done = 0
    for shard in range(shards.count):
        forget = ""
        while records := shards.run(shard, "ended", _PAGE, forget, again=True):
            kept = [session_of("", record, 0, b"") for record in records if record]
            live += sum(session.is_live(now=now) for session in kept)
            done += len(records)
            forget = "1"
            if progress is not None:
                progress(done)
    if progress is not None:
        progress(done)
    return live
