"""Sessions in Valkey, alone and as a cluster: looked up, and changed durably."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import uvloop
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.cluster import ClusterNode as AsyncNode
from redis.asyncio.cluster import RedisCluster as AsyncCluster
from redis.cluster import ClusterNode, RedisCluster

from bench.engines import ISSUER
from bench.measuring import Case, Contender, awaits, calls
from bench.writes import works
from counterfoil import Counterfoil, RedisStore, SessionStrategy, SqliteStore
from counterfoil.drive import drive
from counterfoil.ports import Commit
from counterfoil.stores.redis.records import session_record
from counterfoil.testing.records import a_session
from engines.valkey import url_of, valkey_cluster, valkey_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from engines.valkey import ValkeyServer

    Ask = Callable[[str], Awaitable[Any]]

AT_ONCE: Final = 32
SESSIONS: Final = 1_000


@contextmanager
def redis(_: Path) -> Iterator[Case]:
    with valkey_server() as server, _looked_up([server], "Valkey") as case:
        yield case


@contextmanager
def redis_cluster(_: Path) -> Iterator[Case]:
    with valkey_cluster() as servers, _looked_up(servers, "three masters") as case:
        yield case


@contextmanager
def redis_writes(place: Path) -> Iterator[Case]:
    """The floor is a record that is written by hand, and nothing else."""
    with valkey_server() as server, server.client() as client, _runner() as runner:
        keys = SqliteStore(place / "keys.db").default_keys()
        auth = Counterfoil(
            issuer=ISSUER, store=RedisStore(server.url), keys=keys, strategy=SessionStrategy()
        )
        record = session_record(a_session())
        floor = Contender("SET of a record (floor)", calls(lambda: client.set("bare", record)))
        yield Case("sessions in Valkey, written durably", [floor, *works(runner, auth)])
        runner.run(auth.close())


@contextmanager
def _looked_up(servers: list[ValkeyServer], where: str) -> Iterator[Case]:
    """The floor is a GET by hand of the same bytes; the peers are redis-py's own client for an
    event loop, and a pipeline, which has all answers at once and nobody to give them to."""
    with ExitStack() as kept:
        store = RedisStore(url_of(servers))
        _fill(store)
        runner = kept.enter_context(_runner())
        kept.callback(lambda: runner.run(store.close()))
        plain, pooled = _clients(servers, runner)
        kept.callback(plain.close)
        kept.callback(lambda: runner.run(pooled.aclose()))
        record = session_record(a_session())
        for number in range(SESSIONS):
            plain.set(f"bare-{number}", record)
        blocking = store.blocking()
        names = _Names()

        def by_pipeline() -> None:
            with plain.pipeline(transaction=False) as pipeline:
                for _ in range(AT_ONCE):
                    pipeline.get(names("bare"))
                pipeline.execute()

        async def by_pool(_: str) -> None:
            await pooled.get(names("bare"))

        one = calls(lambda: plain.get(names("bare")))
        yield Case(
            f"a session in {where}, looked up",
            [
                Contender("GET by hand (floor)", one),
                Contender("GET in a loop", awaits(runner, lambda: by_pool(""))),
                Contender("look_up in a thread", calls(lambda: drive(blocking.look_up(names())))),
                Contender("look_up in a loop", awaits(runner, lambda: store.look_up(names()))),
                Contender(f"a pipeline of {AT_ONCE} GETs", calls(by_pipeline), pieces=AT_ONCE),
                _many(f"GET in a loop, {AT_ONCE} at once", runner, by_pool, names),
                _many(f"look_up, {AT_ONCE} at once", runner, store.look_up, names),
            ],
        )


class _Names:
    """One session after the other."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, kind: str = "s") -> str:
        self._number = (self._number + 7) % SESSIONS
        return f"{kind}-{self._number}"


def _runner() -> asyncio.Runner:
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def _many(name: str, runner: asyncio.Runner, ask: Ask, names: _Names) -> Contender:
    async def measured(times: int) -> float:
        async def work() -> None:
            for _ in range(times):
                await ask(names())

        began = perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return perf_counter() - began

    return Contender(name, lambda times: runner.run(measured(times)), pieces=AT_ONCE)


def _fill(store: RedisStore) -> None:
    """A session lies where its id leads, as the engine has it: none is reached by a pointer."""
    first = a_session()
    for number in range(SESSIONS):
        name = f"s-{number}"
        session = replace(first, id=name, subject=name)
        drive(store.blocking().commit(Commit(sessions=(session,))))


def _clients(servers: list[ValkeyServer], runner: asyncio.Runner) -> tuple[Any, Any]:
    """One for a thread, and one for a loop, which has as many connections as there are callers."""
    if len(servers) == 1:
        return Redis(port=servers[0].port), AsyncRedis(port=servers[0].port)
    nodes = [("127.0.0.1", server.port) for server in servers]

    async def opened() -> Any:
        return await AsyncCluster(startup_nodes=[AsyncNode(*node) for node in nodes])

    return RedisCluster(startup_nodes=[ClusterNode(*node) for node in nodes]), runner.run(opened())
