"""RedisStore: sessions in Redis (7.0) or Valkey (7.2) and newer, alone or as a cluster.

What `commit` acknowledges is in the append-only file of the server that has the shard, fsynced.
Reads are of that server too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.ports import Commit
from counterfoil.stores.faces import BlockingFace, SuspendingFace
from counterfoil.stores.lanes import Job
from counterfoil.stores.redis import commits, epochs, feed, listing
from counterfoil.stores.redis.place import LookUp, RedisPlace, ShardJob, Shards, answers_any
from counterfoil.stores.redis.records import found_of, name_of, subject_of
from counterfoil.stores.redis.setup import opened
from counterfoil.stores.redis.shards import shard_of
from counterfoil.stores.statements.records import micros
from counterfoil.subject import ClientState

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from counterfoil.events import Event
    from counterfoil.ports import Found, Keys, SessionQuery, TrailLine
    from counterfoil.session import Session
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_list import Block, Issuing
    from counterfoil.stores.durability import Durability
    from counterfoil.stores.place import LaneName
    from counterfoil.subject import SubjectState

T = TypeVar("T")
_NOTHING: Final = Commit()
_SWEPT_TOGETHER: Final = 50  # sessions; look-ups wait meanwhile


class RedisStore:
    """Keeps sessions at `address`, a URL such as `redis://user:password@host:6379/0`, or `rediss://`
    for TLS; `valkey://` and `valkeys://` are the same. Of a cluster name any node, or several with
    commas between. Its keys begin with `{cf`.

    Under an event loop it waits for no answer in the loop; `blocking()` waits in the calling
    thread. Both share a few threads, and closing either closes both. Raises `ConfigurationError`
    where the server may lose what it acknowledged (docs/stores.md has what it must be set to), and
    `StoreUnavailable` where it does not answer. durability: "may-lose-on-failover" to go on with
    such a server.
    """

    place: RedisPlace
    _feed: feed.Feed
    _face: BlockingFace

    def __init__(self, address: str, *, durability: Durability = "durable") -> None:
        place = opened(address, durability)
        _show(self, place, feed.Feed(), SuspendingFace(place))

    @property
    def suspends(self) -> bool:
        return self._face.suspends

    @property
    def waits_aside(self) -> bool:
        return self._face.waits_aside

    def blocking(self) -> RedisStore:
        if not self.suspends:
            return self
        face = RedisStore.__new__(RedisStore)
        _show(face, self.place, self._feed, BlockingFace(self.place))
        return face

    def default_keys(self) -> Keys:
        raise ConfigurationError(
            "Give Counterfoil keys=: those of your SqliteStore (default_keys), or of your"
            " PostgresStore (sealed_keys). None are kept in Redis."
        )

    @property
    def waiting(self) -> int:
        """How many wait for one of the threads."""
        return self.place.waiting

    def answers_partly(self) -> bool:
        """Whether any shard answers, though others may not: then those sessions can be checked that
        lie there. Waits in the calling thread."""
        return drive(self.blocking()._do("work", answers_any))  # noqa: SLF001 - its own

    def shard(self, name: str) -> int:
        return shard_of(name, self.place.shards)

    async def aside(self, step: Callable[[], T]) -> T:
        return await self._face.aside(step)

    def hint(self) -> object:
        return self.place.hint()

    def wait(self, hint: object, seconds: float) -> bool:
        del hint  # what was heard since the last wait has not been forgotten
        return self.place.wait(seconds)

    async def look_up(self, session_id: str) -> Found | None:
        shard, name = self.shard(session_id), name_of(session_id)
        told = await self._look_up(name, shard)
        if isinstance(told, bytes) and told:
            told = await self._look_up(name, int(told))
        return None if isinstance(told, bytes) else found_of(session_id, *told)

    async def subject(self, subject: str) -> SubjectState:
        leap, record = await self._run(self.shard(subject), "subject", name_of(subject), "")
        return subject_of(subject, record, leap)

    async def client(self, client_id: str) -> ClientState:
        version, _ = await self._run(0, "client", name_of(client_id))
        return ClientState(client_id=client_id, version=int(version))

    async def sessions(self, query: SessionQuery) -> list[Session]:
        last: Session | None = None
        if query.before is not None:
            found = await self.look_up(query.before)
            if found is None:
                return []
            last = found.session
        return await self._do("work", lambda shards: listing.sessions(shards, query, last=last))

    async def all_of_subject(self, subject: str) -> tuple[SubjectState, list[Session]]:
        return await self._do("work", lambda shards: listing.all_of_subject(shards, subject))

    async def commit(self, commit: Commit) -> bool:
        if commit == _NOTHING:
            return True
        name = self.place.name

        def write(shards: Shards) -> bool:
            try:
                return commits.write(shards, commit, name=name)
            finally:
                self.place.stir()

        shard = commits.shard_of_commit(commit, self.place.shards)
        return await self._do("work", write, shard=shard)

    async def touch(self, session_id: str, at: datetime) -> None:
        shard, name = self.shard(session_id), name_of(session_id)
        elsewhere = await self._run(shard, "touch", name, micros(at))
        if isinstance(elsewhere, bytes):
            await self._run(int(elsewhere), "touch", name, micros(at))
        self.place.stir()

    async def note(self, event: Event) -> None:
        await self.commit(Commit(events=(event,)))

    async def reserve(self, issuing: Issuing, *, count: int, now: datetime) -> Block:
        def take(shards: Shards) -> Block:
            block = feed.reserve(shards, issuing, count=count, now=now, name=self.place.name)
            self.place.stir()
            return block

        return await self._do("work", take, shard=0)

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        return await self._do("feed", lambda shards: self._feed.read(shards, after, now=now))

    async def begin_epoch(
        self,
        *,
        now: datetime,
        reached: Callable[[Position], Position],
        because: str = "restored",
        progress: Callable[[int], None] | None = None,
    ) -> int:
        def begin(shards: Shards) -> int:
            try:
                return epochs.begin(
                    shards,
                    now=now,
                    reached=reached,
                    because=because,
                    progress=progress,
                    name=self.place.name,
                )
            finally:
                self.place.stir()

        return await self._do("work", begin)

    async def trail(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[TrailLine]:
        def read(shards: Shards) -> list[TrailLine]:
            self._feed.gather(shards)
            return feed.trail(shards, subject=subject, before=before, limit=limit)

        return await self._do("work", read)

    async def sweep(self, *, now: datetime, limit: int = 1000) -> int:
        def sweep(shards: Shards) -> int:
            swept = 0
            for shard in range(shards.count):
                while left := min(limit - swept, _SWEPT_TOGETHER):
                    gone = shards.run(shard, "sweep", micros(now), left, again=True)
                    swept += gone
                    if gone < left:
                        break
            feed.drop_lists(shards, now=now, name=self.place.name)
            feed.trim_trail(shards)
            self.place.stir()
            return swept

        return await self._do("work", sweep)

    async def close(self) -> None:
        self.place.close()

    async def _look_up(self, name: bytes, shard: int) -> Any:
        ask = partial(LookUp, session_id=name, shard=shard)
        return await self._face.handed(self.place.lanes["look_ups"], ask)

    async def _run(self, shard: int, name: str, *arguments: str | bytes | int) -> Any:
        return await self._do(
            "work", lambda shards: shards.run(shard, name, *arguments, again=True), shard=shard
        )

    async def _do(
        self, lane: LaneName, work: Callable[[Shards], T], *, shard: int | None = None
    ) -> T:
        make = (
            partial(Job, work=work) if shard is None else partial(ShardJob, work=work, shard=shard)
        )
        done: T = await self._face.handed(self.place.lanes[lane], make)
        return done


def _show(store: RedisStore, place: RedisPlace, read: feed.Feed, face: BlockingFace) -> None:
    store.place, store._feed, store._face = place, read, face  # noqa: SLF001 - its own
