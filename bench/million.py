"""A million sessions in one Valkey: `python -m bench.million`, which takes some minutes.

They are made by commits of many sessions each, by several processes, as a move from another store
makes them; each subject has one session, but one of them has a hundred.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import uvloop

from bench.feed.findings import figure, spread
from counterfoil import Counterfoil, RedisStore, SessionStrategy, SqliteStore
from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.ports import Commit, SessionQuery
from counterfoil.stores.redis.records import session_record
from counterfoil.testing.records import a_session
from engines.valkey import valkey_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis import Redis

    from counterfoil.session import Session
    from engines.valkey import ValkeyServer

    Work = Callable[[], Awaitable[object]]

MANY: Final = 1_000_000
FEW: Final = 1_000
TOGETHER: Final = 500  # sessions of one commit
MAKERS: Final = 2
AT_ONCE: Final = 32
TIMES: Final = 4_000  # look-ups
COMMITS: Final = 300
FRIEND: Final = 10_000  # every so many sessions one is of the same subject
DAY: Final = timedelta(days=1)
SECONDS: Final = 86_400  # of a day


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.million")
    parser.add_argument("--sessions", type=int, default=MANY)
    many = parser.parse_args().sessions
    with ExitStack() as kept:
        server = kept.enter_context(valkey_server())
        client = kept.enter_context(server.client())
        place = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-bench-")))
        runner = kept.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        store = RedisStore(server.url)
        keys = SqliteStore(place / "keys.db").default_keys()
        site = "https://app.example"
        auth = Counterfoil(issuer=site, store=store, keys=keys, strategy=SessionStrategy())
        kept.callback(lambda: runner.run(auth.close()))
        empty = _used(client)
        _make(server.url, range(FEW))
        print(f"in milliseconds{'p50':>29}{'p99':>9}{'worst':>9}")
        runner.run(_look_ups(store, f"look-up, of {FEW:,}", FEW))
        runner.run(_commits(store, "commit", place))
        began = perf_counter()
        _make(server.url, range(FEW, many))
        took = perf_counter() - began
        print(f"{many:,} are there after {took:.0f} s, by commits of {TOGETHER:,}", flush=True)
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(1)
        runner.run(_look_ups(store, f"look-up, of {FEW:,} among these", FEW))
        runner.run(_look_ups(store, f"look-up, of {many:,}", many))
        runner.run(_commits(store, "commit", place))
        runner.run(_lists(auth, many))
        runner.run(_sweeps(store, many))
        print(_bytes(server, client, many, _used(client) - empty))


def _make(url: str, numbers: range) -> None:
    share = -(-len(numbers) // MAKERS)
    context = multiprocessing.get_context("spawn")
    makers = [
        context.Process(target=_commit, args=(url, numbers[first : first + share]))
        for first in range(0, len(numbers), share)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    if any(maker.exitcode for maker in makers):
        raise SystemExit("the sessions could not be made")


def _commit(url: str, numbers: range) -> None:
    store = RedisStore(url).blocking()
    now = datetime.now(UTC)
    for first in range(0, len(numbers), TOGETHER):
        sessions = tuple(_session(n, now) for n in numbers[first : first + TOGETHER])
        while drive(store.look_up(sessions[0].id)) is None:
            # Where the disk is busy it may come too late, and have happened.
            with suppress(StoreUnavailable):
                drive(store.commit(Commit(sessions=sessions)))
    drive(store.close())


def _session(number: int, now: datetime) -> Session:
    """As an engine opens it. Every tenth ends soon, so that there is something to sweep."""
    opened = now - timedelta(seconds=_age(number))
    return replace(
        a_session(),
        id=_id(number),
        subject="user-with-many" if number % FRIEND == 1 else f"user-{number:08}",
        client_id="web" if number % 2 else "api",
        created_at=opened,
        auth_time=opened,
        last_seen_at=opened,
        absolute_end=now + (1 if number % 10 == 0 else 30) * DAY,
        idle=7 * DAY,
        handle_digest=number.to_bytes(32),
        device="Firefox on Linux",
        claims={"roles": ["member"]},
    )


def _age(number: int) -> int:
    return number * 7919 % SECONDS


def _id(number: int) -> str:
    """22 characters, as an engine draws them, in no order."""
    return f"{number * 2654435761 % 2**32:010}-{number:011}"


async def _look_ups(store: RedisStore, what: str, many: int) -> None:
    """Of sessions by chance: alone, and with 31 others at once."""

    async def look_up() -> None:
        if await store.look_up(_id(random.randrange(many))) is None:  # noqa: S311 - no secret
            raise SystemExit("a session is missing")

    await _measured(look_up, TIMES // 4)
    _tell(what, await _measured(look_up, TIMES))
    parts = await asyncio.gather(*(_measured(look_up, TIMES // 4) for _ in range(AT_ONCE)))
    _tell(f"  {AT_ONCE} at once", [took for part in parts for took in part])


async def _commits(store: RedisStore, what: str, place: Path) -> None:
    """Each a session that was used, and beside it what the disk takes for the same bytes."""
    numbers = iter(random.sample(range(FEW), COMMITS))

    async def commit() -> None:
        found = await store.look_up(_id(next(numbers)))
        if found is None:
            raise SystemExit("a session is missing")
        session = replace(found.session, generation=found.session.generation + 1)
        began = perf_counter()
        await store.commit(Commit(sessions=(session.following(found.session),)))
        took.append(perf_counter() - began)

    took: list[float] = []
    await _measured(commit, COMMITS)
    _tell(what, took)
    with (place / "bare").open("ab", buffering=0) as file:
        _tell(
            "  write and fdatasync of 400 bytes", [_written(file.fileno()) for _ in range(COMMITS)]
        )


def _written(descriptor: int) -> float:
    began = perf_counter()
    os.write(descriptor, bytes(400))
    os.fdatasync(descriptor)
    return perf_counter() - began


async def _lists(auth: Counterfoil, many: int) -> None:
    store, now = auth.store, datetime.now(UTC)
    middle = _id(
        min(range(1, min(many, SECONDS), 2), key=lambda number: abs(_age(number) - SECONDS // 2))
    )

    def page(client_id: str | None = None, before: str | None = None) -> Work:
        query = SessionQuery(live_at=now, client_id=client_id, before=before)
        return lambda: store.sessions(query)

    _tell("first page of 100", await _measured(page(), 50))
    _tell("first page of a client's", await _measured(page("web"), 50))
    from_middle = page("web", before=middle)
    _tell("  and one from the middle", await _measured(from_middle, 50))
    theirs = await auth.sessions("user-with-many")
    listed = await _measured(lambda: auth.sessions("user-with-many"), 50)
    _tell(f"a subject's {len(theirs)} listed", listed)
    _tell("  and ended", await _measured(lambda: auth.revoke_all("user-with-many"), 1))


async def _sweeps(store: RedisStore, many: int) -> None:
    """Two days on; what has ended by then is still there, so sweeping has all of it to do."""
    later = datetime.now(UTC) + 2 * DAY
    left = [n for n in range(10, min(many, 100_000)) if n % 10 and n % FRIEND != 1]

    async def look_up() -> None:
        if await store.look_up(_id(random.choice(left))) is None:  # noqa: S311 - no secret
            raise SystemExit("a session is missing")

    before = await _measured(look_up, TIMES)
    sweeping = asyncio.create_task(_measured(lambda: store.sweep(now=later), 50))
    during: list[float] = []
    while not sweeping.done():
        during += await _measured(look_up, 50)
    _tell("look-up", before)
    _tell("  and while it sweeps", during)
    _tell("sweep of 1,000", await sweeping)


async def _measured(work: Work, times: int) -> list[float]:
    took = []
    for _ in range(times):
        began = perf_counter()
        await work()
        took.append(perf_counter() - began)
    return took


def _tell(what: str, took: Sequence[float]) -> None:
    print(f"  {what:34}{spread(took)}", flush=True)


def _used(client: Redis) -> int:
    told: dict[str, int] = client.info("memory")
    return told["used_memory"]


def _bytes(server: ValkeyServer, client: Redis, many: int, used: int) -> str:
    name = _id(12_345 % many)
    [key] = client.keys(f"*:s:{name}")
    record = len(session_record(_session(12_345, datetime.now(UTC))))
    file = sum(each.stat().st_size for each in server.folder.glob("appendonlydir/*"))
    return (
        f"{figure(used / many)} bytes each in memory: the record has {record}, and takes"
        f" {client.memory_usage(key)} with its key and its end; {figure(file / many)} in the file"
    )


if __name__ == "__main__":
    main()
