"""One Redis or Valkey as one process sees it: what is asked of which shard, and whether it answers.

Each shard is known by itself to answer or not: in a cluster one master can be gone while all others
go on.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis import RedisError
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,  # noqa: A004 - the driver's own
    NoScriptError,
    ResponseError,
    TimeoutError,  # noqa: A004 - the driver's own
)

from counterfoil.errors import StoreUnavailable
from counterfoil.stores.lanes import Answering, Job
from counterfoil.stores.place import RETRY_AFTER, Place
from counterfoil.stores.redis.listener import Listener
from counterfoil.stores.redis.scripts import script
from counterfoil.stores.redis.shards import prefixes
from counterfoil.stores.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from counterfoil.stores.lanes import Line, Perform
    from counterfoil.stores.redis.address import Address, Client

T = TypeVar("T")
MOST_AT_ONCE: Final = 200
LOST: Final = "Something is missing in Redis: declare a restore, or put back what was there."


@dataclass(slots=True, kw_only=True, eq=False)
class ShardJob(Job):
    """What to ask of one shard."""

    shard: int


@dataclass(slots=True, kw_only=True, eq=False)
class LookUp(Waiter):
    """Who waits for what is found of a session in a shard; empty where there is nothing."""

    session_id: bytes
    shard: int


class Shards:
    """The shards, for a thread of a lane."""

    def __init__(self, place: RedisPlace) -> None:
        self._place = place
        self._client: Client | None = None

    @property
    def count(self) -> int:
        return self._place.shards

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = self._place.client()
        return self._client

    def run(self, shard: int, name: str, *arguments: str | bytes | int, again: bool = False) -> Any:
        """What a script answers. again: it may be begun again where a connection was lost; else it
        may have been done when `StoreUnavailable` is raised."""
        found, prefix = script(name), prefixes(self.count)[shard]

        def ask(client: Client) -> Any:
            try:
                return client.evalsha(found.digest, 1, prefix, *arguments)
            except NoScriptError:
                return client.eval(found.text, 1, prefix, *arguments)

        return self.ask(shard, ask, again=again)

    def ask(self, shard: int, ask: Callable[[Client], T], *, again: bool) -> T:
        """What a shard answers. Raises `StoreUnavailable`."""
        answering = self._place.shard_answering[shard]
        answering.require()
        failure: StoreUnavailable | None = None
        try:
            return self._asked(ask, again=again)
        except RedisError as why:
            failure = self._place.unavailable(why)
            raise failure from why
        finally:
            answering.note(failure)

    def ask_all(self, ask: Callable[[Any], None]) -> list[Any]:
        """What all shards together answer to what `ask` puts into a pipeline, each server asked
        once. Raises `StoreUnavailable`, and notes of no shard that it does not answer: who asks one
        by itself does."""
        for answering in self._place.shard_answering:
            answering.expect()

        def execute(client: Client) -> list[Any]:
            with client.pipeline(transaction=False) as pipeline:
                ask(pipeline)
                return list(pipeline.execute())

        try:
            return self._asked(execute, again=True)
        except RedisError as why:
            for shard in range(self.count):
                self.ask(shard, _is_there(shard, self.count), again=True)
            raise self._place.unavailable(why) from why

    def _asked(self, ask: Callable[[Client], T], *, again: bool) -> T:
        try:
            return ask(self.client)
        except TimeoutError:
            raise
        except (ConnectionError, ClusterDownError):
            if not again:
                raise
        return ask(self.client)


class RedisPlace(Place):
    """A Redis at an address. shards: as many as it was prepared with."""

    def __init__(self, address: Address, *, shards: int) -> None:
        self._address = address
        self._client: Client | None = None
        self.shards = shards
        super().__init__()

    def client(self) -> Client:
        """One that all threads of this process share. Raises `RedisError`."""
        with self._connecting:
            if self._client is None:
                self._client = self._address.connect()
            return self._client

    def require(self, job: Waiter) -> None:
        if isinstance(job, ShardJob | LookUp):
            self.shard_answering[job.shard].expect()

    def line(self) -> Line:
        return RedisLine(self)

    def listener(self) -> Listener:
        listener = Listener(self._address, prefixes(self.shards))
        self.name = listener.name
        return listener

    def look_ups(self) -> tuple[Perform, int]:
        return _look_up_all, MOST_AT_ONCE

    def said_of(self, why: BaseException) -> str:
        code = str(why).partition(" ")[0] if isinstance(why, ResponseError) else ""
        return f"Redis does not answer: {type(why).__name__}{f' {code}' if code.isupper() else ''}."

    def close(self) -> None:
        super().close()
        if self._client is not None:
            self._client.close()

    def _begin_anew(self) -> None:
        self._connecting = threading.Lock()
        self._client = None
        self.shard_answering = [Answering() for _ in range(self.shards)]
        super()._begin_anew()


class RedisLine:
    """One thread's way there. What could not be done is said of each job by itself."""

    def __init__(self, place: RedisPlace) -> None:
        self._place = place
        self._shards = Shards(place)

    def perform(self, perform: Perform, jobs: Sequence[Waiter]) -> BaseException | None:
        try:
            perform(self._shards, jobs)
        except RedisError as why:
            return self._place.unavailable(why)
        except BaseException as why:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            return why
        return None

    def drop(self) -> None:
        """The client is everybody's."""


def answers_any(shards: Shards) -> bool:
    """Whether any shard answers."""
    for shard in range(shards.count):
        with suppress(StoreUnavailable):
            shards.ask(shard, _is_there(shard, shards.count), again=True)
            return True
    return False


def _is_there(shard: int, shards: int) -> Callable[[Client], Any]:
    key = prefixes(shards)[shard] + "f"
    return lambda client: client.exists(key)


def _look_up_all(shards: Shards, jobs: Sequence[LookUp]) -> None:
    """Those that have gathered, in one script for each shard: it is sent after each of the checks
    that it serves has begun."""
    by_shard: dict[int, list[LookUp]] = {}
    for job in jobs:
        by_shard.setdefault(job.shard, []).append(job)
    for shard, asked in by_shard.items():
        try:
            found = shards.run(shard, "look_up", *(job.session_id for job in asked), again=True)
        except StoreUnavailable as why:
            for job in asked:
                job.error = StoreUnavailable(why.detail, retry_after=RETRY_AFTER)
            continue
        for job, told in zip(asked, found, strict=True):
            job.value = told
