"""What comes from another store, with its versions and numbers, before anybody uses this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import ConfigurationError
from counterfoil.stores.redis.commits import client_fields, point, session_fields, subject_fields
from counterfoil.stores.redis.place import Shards
from counterfoil.stores.redis.records import change_text, event_text, list_text, name_of
from counterfoil.stores.redis.setup import ARRIVING, opened
from counterfoil.stores.redis.shards import prefixes, shard_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

    from counterfoil.events import Event
    from counterfoil.session import Session
    from counterfoil.status_change import Position, StatusChange
    from counterfoil.status_list import StatusList
    from counterfoil.stores.durability import Durability
    from counterfoil.subject import ClientState, SubjectState

_TRAIL_KEPT: Final = 34_560_000  # seconds, as in gather.lua


class Arrivals:
    """Writes to the store of an address what another one holds. Raises `ConfigurationError` where
    something is there already; what an earlier attempt has left is removed."""

    def __init__(self, address: str, durability: Durability) -> None:
        self.place = opened(address, durability, arriving=True)
        self._shards = Shards(self.place)
        self._prefixes = prefixes(self._shards.count)
        facts = self._prefixes[0] + "f"

        def note(client: Redis) -> Any:
            return client.hsetnx(facts, ARRIVING, "1")

        if self._ask(0, note):
            try:
                self._require_empty()
            except BaseException:
                self._ask(0, lambda client: client.hdel(facts, ARRIVING))
                raise
        else:
            self._clear()

    def records(self, sessions: Sequence[Session], states: Sequence[SubjectState]) -> None:
        """Sessions and subjects, in whatever shards they belong to."""
        of_shard: dict[int, tuple[list[Session], list[SubjectState]]] = {}
        for session in sessions:
            of_shard.setdefault(self._shard(session.subject), ([], []))[0].append(session)
        for state in states:
            of_shard.setdefault(self._shard(state.subject), ([], []))[1].append(state)
        for shard, (own, theirs) in of_shard.items():
            fields: list[str | bytes | int] = [len(own), len(theirs), 0]
            for session in own:
                point(self._shards, session, shard)
                fields += session_fields(session)
            for state in theirs:
                fields += subject_fields(state)
            self._shards.run(shard, "arrive", *fields, again=True)

    def clients(self, clients: Iterable[ClientState]) -> None:
        fields = [each for client in clients for each in client_fields(client)]
        for shard in range(self._shards.count):
            self._shards.run(shard, "arrive", 0, 0, len(fields) // 2, *fields, again=True)

    def lists(self, lists: Sequence[tuple[int, StatusList, int]]) -> None:
        """Each with its place, and how many of its indices are given out."""
        prefix = self._prefixes[0]
        if not lists:
            return

        def put(client: Redis) -> None:
            for place, each, given in lists:
                client.hset(prefix + "l", each.id, list_text(each, place))
                client.hset(prefix + "g", each.id, str(given))

        self._ask(0, put)

    def changes(self, numbered: Sequence[tuple[int, StatusChange]]) -> None:
        """In the order of their numbers, each once."""
        key = self._prefixes[0] + "changes"

        def put(client: Redis) -> None:
            with client.pipeline(transaction=False) as pipeline:
                for number, change in numbered:
                    pipeline.xadd(key, {"w": change_text(change)}, id=f"{number}-0")
                pipeline.execute()

        if numbered:
            self._ask(0, put)

    def events(self, numbered: Sequence[tuple[int, Event]]) -> None:
        """Likewise."""
        prefix = self._prefixes[0].encode()

        def put(client: Redis) -> None:
            with client.pipeline(transaction=False) as pipeline:
                for number, event in numbered:
                    pipeline.xadd(prefix + b"trail", {"w": event_text(event)}, id=f"{number}-0")
                    if event.subject is not None:
                        key = prefix + b"t:" + name_of(event.subject)
                        pipeline.sadd(key, number)
                        pipeline.expire(key, _TRAIL_KEPT)
                pipeline.execute()

        if numbered:
            self._ask(0, put)

    def end(self, position: Position, *, directory: int, trail: int) -> None:
        """From now on it is a store, which stands where the other one stood."""
        for shard in reversed(range(self._shards.count)):
            facts: dict[str, str | int] = {"epoch": position.epoch}
            if shard == 0:
                facts |= {"feed": position.epoch, "number": position.number}
                facts |= {"directory": directory + 1, "trail": trail}
            key = self._prefixes[shard] + "f"

            def put(client: Redis, key: str = key, facts: Any = facts) -> Any:
                return client.hset(key, mapping=facts)

            self._ask(shard, put)
        key = self._prefixes[0] + "f"
        self._ask(0, lambda client: client.hdel(key, ARRIVING))

    def not_yet(self) -> None:
        """It is no store after all."""
        key = self._prefixes[0] + "f"
        self._ask(0, lambda client: client.hset(key, ARRIVING, "1"))

    def _shard(self, name: str) -> int:
        return shard_of(name, self._shards.count)

    def _ask(self, shard: int, ask: Any) -> Any:
        return self._shards.ask(shard, ask, again=True)

    def _require_empty(self) -> None:
        for shard, prefix in enumerate(self._prefixes):
            names = [prefix + each for each in ("cl", "c", "l", "trail")]
            if self._ask(shard, lambda client, names=names: client.exists(*names)):
                raise ConfigurationError("Name a Redis in which Counterfoil keeps nothing yet.")
        key = self._prefixes[0] + "f"
        if self._ask(0, lambda client: client.hget(key, "number")) not in {b"0", None}:
            raise ConfigurationError("Name a Redis in which Counterfoil keeps nothing yet.")

    def _clear(self) -> None:
        kept = ("f", "box", "m")
        for shard, prefix in enumerate(self._prefixes):
            spared = {(prefix + each).encode() for each in kept}

            def clear(client: Redis, prefix: str = prefix, spared: set[bytes] = spared) -> None:
                for key in client.scan_iter(match=prefix + "*", count=1000):
                    if key not in spared:
                        client.unlink(key)

            self._ask(shard, clear)
