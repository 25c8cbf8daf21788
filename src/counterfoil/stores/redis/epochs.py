"""A new epoch: what makes a store that was put back one to go on with.

Each shard leaps, in one step that ends all that is open there. The feed answers nobody from before
the first leap until all have been made; who is interrupted declares it again.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from counterfoil.errors import StoreUnavailable
from counterfoil.events import Event
from counterfoil.status_change import Position, following_epoch
from counterfoil.stores.redis.records import event_text, session_of
from counterfoil.stores.redis.shards import prefixes
from counterfoil.stores.statements.epochs import CHANCE_BYTES
from counterfoil.stores.statements.records import micros

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from counterfoil.stores.redis.address import Client
    from counterfoil.stores.redis.place import Shards

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
    position = _position(shards)
    chance = secrets.token_hex(CHANCE_BYTES)
    following = following_epoch(position, reached(position), now=now, chance=chance)
    leap = shards.run(0, "begin", position.epoch, following, again=True)
    if leap is None:
        raise StoreUnavailable("Somebody else declares a restore.")
    ending = f"{micros(now)} {because}"
    starts = [
        shards.run(
            shard, "leap", following, leap, ending, secrets.randbits(_NONCE_BITS), again=True
        )
        for shard in range(shards.count)
    ]
    live = _count(shards, now, progress)
    event = Event(kind="store_restored", at=now, detail={"because": because, "sessions": live})
    if not shards.run(0, "finish", following, name, event_text(event), *starts, again=True):
        raise StoreUnavailable("Somebody else declares a restore.")
    return live


def _position(shards: Shards) -> Position:
    key = prefixes(shards.count)[0] + "f"

    def ask(client: Client) -> list[bytes | None]:
        return client.hmget(key, ["feed", "number"])  # type: ignore[return-value] # it is no awaitable

    epoch, number = shards.ask(0, ask, again=True)
    return Position((epoch or b"").decode(), int(number or 0))


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
