"""One Redis or Valkey as one process sees it: what is asked of which shard, and who asks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis import Redis, RedisError
from redis.exceptions import (
    ConnectionError,  # noqa: A004 - the driver's own
    MovedError,
    NoScriptError,
    ResponseError,
    TimeoutError,  # noqa: A004 - the driver's own
)

from counterfoil.errors import StoreUnavailable
from counterfoil.stores.lanes import Job
from counterfoil.stores.place import RETRY_AFTER, Place
from counterfoil.stores.redis.address import kind_of
from counterfoil.stores.redis.listener import Listener
from counterfoil.stores.redis.scripts import script
from counterfoil.stores.redis.servers import Servers
from counterfoil.stores.redis.shards import prefixes
from counterfoil.stores.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from counterfoil.stores.lanes import Line, Perform
    from counterfoil.stores.redis.address import Address, Layout
    from counterfoil.stores.redis.servers import Server

T = TypeVar("T")
MOST_AT_ONCE: Final = 200
_MOVES: Final = 5  # how often to follow a shard that was moved
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

    @property
    def count(self) -> int:
        return self._place.shards

    def run(self, shard: int, name: str, *arguments: str | bytes | int, again: bool = False) -> Any:
        """What a script answers. again: it may be begun again where a connection was lost; else it
        may have been done when `StoreUnavailable` is raised."""
        return self.ask(shard, self.question(shard, name, *arguments), again=again)

    def question(
        self, shard: int, name: str, *arguments: str | bytes | int
    ) -> Callable[[Any], Any]:
        """The same, to be asked later, or with others."""
        found, prefix = script(name), prefixes(self.count)[shard]

        def ask(client: Any) -> Any:
            try:
                return client.evalsha(found.digest, 1, prefix, *arguments)
            except NoScriptError:
                client.script_load(found.text)
                return client.evalsha(found.digest, 1, prefix, *arguments)

        return ask

    def ask(self, shard: int, ask: Callable[[Redis], T], *, again: bool) -> T:
        """What a shard answers. Raises `StoreUnavailable`."""
        servers = self._place.servers
        for _ in range(_MOVES):
            server = servers.of(shard)
            try:
                return _asked(server, ask, again=again)
            except MovedError as why:
                servers.moved(shard, (why.host or server.where[0], why.port))
            except RedisError as why:
                raise self._place.failed(server, why) from why
        raise StoreUnavailable("Redis says of each server that another one has a shard.")

    def ask_all(self, questions: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
        """What is answered to each question, which is of a shard. Raises `StoreUnavailable`."""
        answers = self.ask_each(questions)
        for answer in answers:
            if isinstance(answer, StoreUnavailable):
                raise answer
        return answers

    def ask_each(self, questions: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
        """The same, where a server that does not answer takes no other's answers away: it has
        `StoreUnavailable` instead of each of its own. Each server is asked once."""
        answers: list[Any] = [None] * len(questions)
        of_server: dict[Server, list[int]] = {}
        for number, (shard, _) in enumerate(questions):
            try:
                of_server.setdefault(self._place.servers.of(shard), []).append(number)
            except StoreUnavailable as why:
                answers[number] = why
        for server, numbers in of_server.items():
            told = self._asked_together(server, [questions[number][1] for number in numbers])
            for number, answer in zip(numbers, told, strict=True):
                is_for_it_alone = isinstance(answer, RedisError)
                answers[number] = (
                    self._asked_alone(*questions[number]) if is_for_it_alone else answer
                )
        return answers

    def _asked_together(self, server: Server, asks: Sequence[Callable[[Any], Any]]) -> list[Any]:
        def execute(client: Redis) -> list[Any]:
            with client.pipeline(transaction=False) as pipeline:
                for ask in asks:
                    ask(pipeline)
                return list(pipeline.execute(raise_on_error=False))

        try:
            return _asked(server, execute, again=True)
        except RedisError as why:
            return [self._place.failed(server, why)] * len(asks)

    def _asked_alone(self, shard: int, ask: Callable[[Any], Any]) -> Any:
        try:
            return self.ask(shard, ask, again=True)
        except StoreUnavailable as why:
            return why


def _asked(server: Server, ask: Callable[[Redis], T], *, again: bool) -> T:
    try:
        return ask(server.client)
    except TimeoutError:
        raise
    except ConnectionError:
        if not again:
            raise
    return ask(server.client)


class RedisPlace(Place):
    """A Redis at an address. require_fit: raises `ConfigurationError` for a server that is none to
    rely on."""

    def __init__(
        self,
        address: Address,
        layout: Layout,
        *,
        shards: int,
        require_fit: Callable[[Redis], None],
    ) -> None:
        self._address = address
        self._layout = layout
        self._require_fit = require_fit
        self.shards = shards
        super().__init__()

    def look(self) -> None:
        """Looks at each server before it is relied on. Raises `ConfigurationError`, and
        `StoreUnavailable` where none answers."""
        try:
            self.servers.look_at_all()
        except RedisError as why:
            raise self.unavailable(why) from why

    def require(self, job: Waiter) -> None:
        if isinstance(job, ShardJob | LookUp):
            self.servers.of(job.shard)

    def failed(self, server: Server, why: RedisError) -> StoreUnavailable:
        """The error for callers. A server that says what is wrong goes on being asked."""
        failure = self.unavailable(why)
        if isinstance(why, ConnectionError | TimeoutError):
            self.servers.lost(server, failure)
        return failure

    def line(self) -> Line:
        return RedisLine(self)

    def listener(self) -> Listener:
        listener = Listener(self._address, self.servers, prefixes(self.shards))
        self.name = listener.name
        return listener

    def look_ups(self) -> tuple[Perform, int]:
        return _look_up_all, MOST_AT_ONCE

    def said_of(self, why: BaseException) -> str:
        code = str(why).partition(" ")[0] if isinstance(why, ResponseError) else ""
        if code == "LOST":  # which scripts say
            return LOST
        return f"Redis does not answer: {kind_of(why)}{f' {code}' if code.isupper() else ''}."

    def close(self) -> None:
        super().close()
        self.servers.close()

    def start_in_child(self) -> None:
        self._layout = self.servers.layout
        super().start_in_child()

    def _begin_anew(self) -> None:
        self.servers = Servers(
            self._address, self._layout, shards=self.shards, require_fit=self._require_fit
        )
        super()._begin_anew()


class RedisLine:
    """One thread's way there. What could not be done is said of each job by itself."""

    def __init__(self, place: RedisPlace) -> None:
        self._shards = Shards(place)

    def perform(self, perform: Perform, jobs: Sequence[Waiter]) -> BaseException | None:
        try:
            perform(self._shards, jobs)
        except BaseException as why:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            return why
        return None

    def drop(self) -> None:
        """The clients are everybody's."""


def answers_any(shards: Shards) -> bool:
    """Whether any shard answers."""
    for shard in range(shards.count):
        with suppress(StoreUnavailable):
            shards.ask(shard, _is_there(shard, shards.count), again=True)
            return True
    return False


def _is_there(shard: int, shards: int) -> Callable[[Redis], Any]:
    key = prefixes(shards)[shard] + "f"
    return lambda client: client.exists(key)


def _look_up_all(shards: Shards, jobs: Sequence[LookUp]) -> None:
    """Those that have gathered, in one script for each shard, and each server asked once: after
    each of the checks that it serves has begun."""
    by_shard: dict[int, list[LookUp]] = {}
    for job in jobs:
        by_shard.setdefault(job.shard, []).append(job)
    answers = shards.ask_each(
        [
            (shard, shards.question(shard, "look_up", *(job.session_id for job in asked)))
            for shard, asked in by_shard.items()
        ]
    )
    for asked, found in zip(by_shard.values(), answers, strict=True):
        for number, job in enumerate(asked):
            if isinstance(found, StoreUnavailable):
                job.error = StoreUnavailable(found.detail, retry_after=RETRY_AFTER)
            else:
                job.value = found[number]
