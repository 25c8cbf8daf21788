"""The feed, the trail and the lists, all in the first shard, where all that happens is gathered.

A commit writes what it changes, and what happened, into the box of its own shard: that is one step,
and so it is there when the commit is acknowledged. Whoever reads the feed looks into every box
first, and has what is new there numbered for all. The last entry that was gathered stays in its
box; where it is not there any more, a part of what is kept was put back from a copy, or is gone.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from counterfoil.errors import RestoreUndeclared, StoreUnavailable
from counterfoil.ports import TrailLine
from counterfoil.status_change import FeedRead, Position
from counterfoil.status_list import Block, schedule
from counterfoil.stores.redis.records import change_of, event_of, list_text, lists_of, name_of
from counterfoil.stores.redis.shards import prefixes
from counterfoil.stores.statements.records import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from redis import Redis

    from counterfoil.status_list import Issuing, StatusList
    from counterfoil.stores.redis.place import Shards

PART_IS_OLDER: Final = "A part of the store is older than the rest: it was put back from a copy."
BEGUN: Final = "A restore was begun here, and has come to no end."
TRAIL_KEPT: Final = 1_000_000  # events
_PAGE: Final = 1_000
_ONCE_MORE: Final = 20  # how often to look again where others are faster
_RETRY: Final = timedelta(seconds=5)


Facts = tuple[bytes | None, ...]
_FACTS: Final = ["feed", "number", "directory", "next"]
# What a server refuses that has become a replica: what it reads may be old.
_TAKES_WRITES: Final = "#!lua flags=allow-oom\nreturn 1"


class Standing(NamedTuple):
    """Where the feed stands, and the lists, each with its place."""

    position: Position
    directory: int
    lists: tuple[tuple[int, StatusList], ...]

    def kept(self, *, now: datetime) -> tuple[StatusList, ...]:
        return tuple(known for _, known in self.lists if not known.is_dropped(now=now))


class Feed:
    """Reads the feed, and remembers where it stood."""

    def __init__(self) -> None:
        self._gathered: dict[int, bytes] = {}  # of each box, the last entry
        self._standing = Standing(Position("", 0), -1, ())

    def read(self, shards: Shards, after: Position | None, *, now: datetime) -> FeedRead:
        """With nothing new it is one question to each server: somebody asks all the time."""
        facts, with_news = self._look(shards)
        self._empty(shards, with_news)
        standing = self._standing
        if after == standing.position and not with_news and facts == _facts_of(standing):
            lists = standing.kept(now=now)
            return FeedRead(after=after, position=after, at=now, lists=lists, changes=())
        start = after or Position("", 0)
        number = max(0, min(start.number, LARGEST))
        told = shards.run(0, "read", name_of(start.epoch), number, again=True)
        standing = self._standing = _standing_of(told)
        lists = standing.kept(now=now)
        ids = {known.id for known in lists}
        is_on = after is not None and after.epoch == standing.position.epoch
        return FeedRead(
            after=after if is_on else None,
            position=standing.position,
            at=now,
            lists=lists,
            changes=tuple(change for change in map(change_of, told[5]) if change.list_id in ids),
        )

    def gather(self, shards: Shards) -> None:
        """Has everything numbered that was in a box when this began. Raises `RestoreUndeclared`
        where a box lacks what was gathered from it."""
        _, with_news = self._look(shards)
        self._empty(shards, with_news)

    def _look(self, shards: Shards) -> tuple[Facts, list[int]]:
        """Where the first shard says that the feed stands, and which boxes have news in them."""
        names = prefixes(shards.count)
        asked = [(shard, last) for shard, last in sorted(self._gathered.items())]

        def of_box(shard: int, last: bytes) -> Callable[[Any], Any]:
            return lambda client: client.xrange(names[shard] + "box", min=last, count=2)

        facts, known, *boxes, _ = shards.ask_all(
            [
                (0, lambda client: client.hmget(names[0] + "f", _FACTS)),
                (0, lambda client: client.hgetall(names[0] + "m")),
                *((shard, of_box(shard, last)) for shard, last in asked),
                (0, lambda client: client.execute_command("EVAL", _TAKES_WRITES, 1, names[0])),
            ]
        )
        silent = set()
        for (shard, last), entries in zip(asked, boxes, strict=True):
            if known.get(b"%d" % shard) != last:
                # Others were faster, or the first shard was put back; this one has not gathered it.
                self._gathered.pop(shard)
            elif len(entries) == 1 and entries[0][0] == last:
                silent.add(shard)
        # The first one last: it tells of restores, before which the others' news have come.
        return tuple(facts), [s for s in reversed(range(shards.count)) if s not in silent]

    def _empty(self, shards: Shards, chosen: list[int]) -> None:
        for shard in chosen:
            for _ in range(_ONCE_MORE):
                if self._gather(shards, shard):
                    break
            else:
                raise StoreUnavailable("Others read the feed all the time.", retry_after=_RETRY)

    def _gather(self, shards: Shards, shard: int) -> bool:
        """False where somebody else was faster, and it is worth to look again."""
        last = self._gathered.get(shard)
        entries = [] if last is None else _box(shards, shard, last)
        if last is None or not entries or entries[0][0] != last:
            known = _gathered(shards, shard)
            if known == last or known is None:
                raise RestoreUndeclared(PART_IS_OLDER, retry_after=_RETRY)
            self._gathered[shard] = known
            return False
        if len(entries) == 1:
            return True
        to = entries[-1][0]
        told = [part for _, fields in entries[1:] for part in fields[1::2]]
        if not shards.run(0, "gather", shard, last, to, *told, again=True):
            self._gathered.pop(shard)
            return False
        self._gathered[shard] = to
        key = prefixes(shards.count)[shard] + "box"
        shards.ask(shard, lambda client: client.xtrim(key, minid=to, approximate=False), again=True)
        return len(entries) <= _PAGE


def reserve(shards: Shards, issuing: Issuing, *, count: int, now: datetime, name: str) -> Block:
    for _ in range(_ONCE_MORE):
        standing = _standing_of(shards.run(0, "read", "", LARGEST, again=True))
        given = _given(shards)
        known = [(each, given.get(each.id, 0)) for _, each in standing.lists]
        plan = schedule(known, issuing, now=now, new_id=lambda: secrets.token_urlsafe(6))
        place = max((place for place, _ in standing.lists), default=0)
        texts: list[Any] = []
        for number, each in enumerate(plan.announced, start=place + 1):
            texts += [each.id, list_text(each, number)]
        chosen = plan.chosen
        told = shards.run(
            0,
            "reserve",
            standing.directory,
            name,
            chosen.id,
            chosen.size,
            count,
            *texts,
            again=True,
        )
        if told is not None and told[0] < chosen.size:
            return Block(chosen, told[0], told[1])
    raise StoreUnavailable("Others take status indices all the time.", retry_after=_RETRY)


def drop_lists(shards: Shards, *, now: datetime, name: str) -> None:
    """Forgets the lists whose tokens have all expired, and what changed in them."""
    standing = _standing_of(shards.run(0, "read", "", LARGEST, again=True))
    dropped = [each.id for _, each in standing.lists if each.is_dropped(now=now)]
    if not dropped:
        return
    kept = {each.id for _, each in standing.lists} - {*dropped}
    key = prefixes(shards.count)[0] + "changes"
    start = "-"
    while True:

        def page(client: Redis, start: str = start) -> Any:
            return client.xrange(key, min=start, count=_PAGE)

        entries = shards.ask(0, page, again=True)
        gone = [entry for entry, what in entries if change_of(what[b"w"]).list_id not in kept]
        if gone:
            shards.ask(0, lambda client, gone=gone: client.xdel(key, *gone), again=True)  # type: ignore[misc] # a default
        if len(entries) < _PAGE:
            break
        start = "(" + entries[-1][0].decode()
    shards.run(0, "drop", name, *dropped, again=True)


def trail(
    shards: Shards, *, subject: str | None, before: int | None, limit: int
) -> list[TrailLine]:
    prefix = prefixes(shards.count)[0].encode()
    below = LARGEST if before is None else max(0, min(before, LARGEST))
    limit = max(0, min(limit, LARGEST))
    if not limit or not below:
        return []
    if subject is None:

        def newest(client: Redis) -> Any:
            return client.xrevrange(prefix + b"trail", max=f"({below}-0", count=limit)

        return _lines(shards.ask(0, newest, again=True))

    def of_subject(client: Redis) -> Any:
        return client.smembers(prefix + b"t:" + name_of(subject))

    numbers = sorted(
        (int(number) for number in shards.ask(0, of_subject, again=True)), reverse=True
    )
    lines: list[TrailLine] = []
    for number in numbers:
        if number >= below:
            continue
        if len(lines) == limit:
            break

        def one(client: Redis, number: int = number) -> Any:
            return client.xrange(prefix + b"trail", f"{number}-0", f"{number}-0")

        lines += _lines(shards.ask(0, one, again=True))
    return lines


def trim_trail(shards: Shards) -> None:
    key = prefixes(shards.count)[0] + "trail"
    shards.ask(0, lambda client: client.xtrim(key, maxlen=TRAIL_KEPT), again=True)


def _lines(entries: Any) -> list[TrailLine]:
    return [
        TrailLine(int(entry.partition(b"-")[0]), event_of(what[b"w"])) for entry, what in entries
    ]


def _box(shards: Shards, shard: int, last: bytes) -> list[Any]:
    """What is in a box from the last entry on that was gathered, with that one."""
    key = prefixes(shards.count)[shard] + "box"

    def ask(client: Redis) -> Any:
        return client.xrange(key, min=last, count=_PAGE + 1)

    entries = shards.ask(shard, ask, again=True)
    return [
        (entry, (b"k", what[b"k"], b"w", what[b"w"], b"s", what[b"s"])) for entry, what in entries
    ]


def _gathered(shards: Shards, shard: int) -> bytes | None:
    key = prefixes(shards.count)[0] + "m"

    def ask(client: Redis) -> bytes | None:
        return client.hget(key, str(shard))  # type: ignore[return-value] # it is no awaitable

    return shards.ask(0, ask, again=True)


def _given(shards: Shards) -> dict[str, int]:
    key = prefixes(shards.count)[0] + "g"

    def ask(client: Redis) -> dict[bytes, bytes]:
        return client.hgetall(key)  # type: ignore[return-value] # it is no awaitable

    return {each.decode(): int(given) for each, given in shards.ask(0, ask, again=True).items()}


def _standing_of(told: Any) -> Standing:
    """Raises `RestoreUndeclared` where one was begun, and not ended."""
    epoch, number, directory, following, lists, _ = told
    if epoch is None:
        raise RestoreUndeclared(PART_IS_OLDER, retry_after=_RETRY)
    if following:
        raise RestoreUndeclared(BEGUN, retry_after=_RETRY)
    position = Position(epoch.decode(), int(number))
    return Standing(position, int(directory), tuple(lists_of(lists)))


def _facts_of(standing: Standing) -> Facts:
    position, directory, _ = standing
    return position.epoch.encode(), b"%d" % position.number, b"%d" % directory, None
