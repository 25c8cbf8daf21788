"""The feed of the same database: started when needed, kept going, and honest about its age."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil import MemoryStore
from counterfoil.errors import SessionRevoked, StatusStale, StoreUnavailable
from counterfoil.feeds import local
from counterfoil.feeds.local import LocalFeed
from counterfoil.ports import Commit
from counterfoil.status_change import StatusChange
from counterfoil.status_mirror import StatusMirror
from counterfoil.stores.memory import MemoryKeys
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.clock import FrozenClock
from counterfoil.testing.records import NOW, a_session, an_index, opened, revoke
from scenes import API, SECOND, START, Scene, credential, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from counterfoil import Opened
    from counterfoil.status_change import FeedRead, Position


class Trouble(MemoryStore):
    """A store whose feed can be made to fail; counts how often it is read."""

    trouble: Exception | None = None
    reads = 0

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        return await super().feed(after, now=now)


@pytest.fixture
def store() -> Trouble:
    return Trouble()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(now=START)


@pytest.fixture
def feed(store: Trouble, clock: FrozenClock) -> Iterator[LocalFeed]:
    feed = LocalFeed(store, StatusMirror(), clock, MemoryKeys())
    yield feed
    feed.stop()


def eventually(holds: Callable[[], object], *, besides: type[Exception] = ValueError) -> bool:
    """Whether it comes true within two seconds; that it raises `besides` is not yet."""
    for _ in range(400):
        with suppress(besides):
            if holds():
                return True
        time.sleep(0.005)
    return False


def threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "counterfoil-feed"}


def test_it_starts_once_and_reads_before_it_returns(store: Trouble, feed: LocalFeed) -> None:
    """However many checks come at once; and goes on by itself."""
    before = threads()
    several = [threading.Thread(target=feed.ensure) for _ in range(8)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    assert len(threads() - before) == 1
    assert store.reads >= 1
    assert eventually(lambda: store.reads > 3)


def test_a_first_read_that_fails_starts_nothing(store: Trouble, feed: LocalFeed) -> None:
    """The caller hears why, and the next one tries again."""
    before = threads()
    store.trouble = StoreUnavailable()
    with pytest.raises(StoreUnavailable):
        feed.ensure()
    assert threads() <= before
    store.trouble = None
    feed.ensure()
    assert len(threads() - before) == 1


@pytest.mark.parametrize("trouble", [StoreUnavailable(), RuntimeError("a bug")], ids=repr)
def test_trouble_is_logged_once_and_outlived(
    store: Trouble, feed: LocalFeed, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that was away, or an error nobody foresaw: a thread that died of it would leave
    every check at 503 until somebody restarts the process."""
    caplog.set_level(logging.WARNING, logger="counterfoil.feed")
    feed.ensure()
    store.trouble = trouble
    failing_since = store.reads
    assert eventually(lambda: store.reads > failing_since + 3)
    assert len(caplog.records) == 1
    store.trouble = None
    recovered = store.reads
    assert eventually(lambda: store.reads > recovered + 3)


def test_it_can_be_stopped_and_started_again(store: Trouble, feed: LocalFeed) -> None:
    """A stopped one reads no more."""
    before = threads()
    feed.ensure()
    feed.stop()
    assert eventually(lambda: threads() <= before)
    reads = store.reads
    time.sleep(0.05)
    assert store.reads == reads
    feed.ensure()
    assert eventually(lambda: store.reads > reads + 2)


def test_it_works_again_after_a_fork(store: Trouble, feed: LocalFeed) -> None:
    """The thread does not come along, and the lock may have been held in the moment of the fork."""
    feed.ensure()
    with feed._reading:  # noqa: SLF001 - as the thread does, most of the time it runs
        child = os.fork()
    if child == 0:
        signal.alarm(5)
        feed.ensure()
        reads = store.reads
        os._exit(0 if eventually(lambda: store.reads > reads + 2) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0


def test_an_idle_store_is_read_five_times_a_second(store: Trouble, feed: LocalFeed) -> None:
    """However often it is looked whether there is anything to read."""
    feed.ensure()
    time.sleep(local.LIVELY)
    reads = store.reads
    time.sleep(1)
    assert 3 <= store.reads - reads <= 6


@pytest.fixture
def resting(feed: LocalFeed) -> LocalFeed:
    """A feed that reads nothing without being told to."""
    feed.rest = 3600
    feed.ensure()
    return feed


@pytest.mark.parametrize("idle", [0, 1.2 * local.LIVELY], ids=["lively", "idle"])
async def test_a_hint_leads_to_a_read_at_once(
    store: Trouble, resting: LocalFeed, idle: float
) -> None:
    """Also where nothing had happened for so long that the thread slept."""
    time.sleep(idle)  # noqa: ASYNC251 - what it waits for is a thread
    seen: list[FeedRead] = []
    resting.listen(lambda read, _: seen.append(read))
    await store.commit(Commit(changes=(StatusChange("list", 1, 1),)))
    assert eventually(lambda: seen and seen[-1].position.number == 1)


async def test_what_is_committed_during_a_read_is_read_next(
    store: Trouble, resting: LocalFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint is older than the read that it leads to, or this would wait for the next one."""
    commit = store.commit

    async def slow(after: Position | None, *, now: datetime) -> FeedRead:
        read = await MemoryStore.feed(store, after, now=now)
        if read.position.number < 5:
            await commit(Commit(changes=(StatusChange("list", 1, 1),)))
        return read

    monkeypatch.setattr(Trouble, "feed", lambda _, after, *, now: slow(after, now=now))
    seen: list[int] = []
    resting.listen(lambda read, _: seen.append(read.position.number))
    await commit(Commit(changes=(StatusChange("list", 1, 1),)))
    assert eventually(lambda: 5 in seen)


def test_it_reads_by_the_time_that_somebody_asked_for(
    store: Trouble, resting: LocalFeed, clock: FrozenClock
) -> None:
    """Though nothing has happened; once, and not before."""
    reads = store.reads
    resting.read_by(clock.uptime() + 1)
    time.sleep(5 * local.EVERY)
    assert store.reads == reads
    clock.advance(SECOND)
    assert eventually(lambda: store.reads > reads)
    time.sleep(5 * local.EVERY)
    assert store.reads == reads + 1


def test_a_store_that_cannot_hint_is_read(
    store: Trouble, resting: LocalFeed, caplog: pytest.LogCaptureFixture
) -> None:
    """The read says why, or is good: then no time is lost."""
    caplog.set_level(logging.WARNING, logger="counterfoil.feed")

    def cannot(_: Trouble) -> int:
        raise StoreUnavailable("no hint")

    reads = store.reads
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trouble, "hint", cannot)
        assert eventually(lambda: store.reads > reads + 2)
        assert caplog.records == []
        store.trouble = StoreUnavailable("no read")
        assert eventually(lambda: "no read" in caplog.text)
    store.trouble = None
    assert eventually(lambda: resting._mirror.position is not None)  # noqa: SLF001 - nothing else shows


async def test_what_another_process_revoked_arrives_by_itself() -> None:
    """A moment later, without anybody asking."""
    with scene(API) as one, scene(API, store=one.store, clock=one.clock) as two:
        opened = await one.open()
        await two.check(opened)
        await one.auth.revoke(opened.session.id)

        def is_refused() -> bool:
            try:
                two.auth.check_token(credential(opened))
            except SessionRevoked:
                return True
            return False

        assert eventually(is_refused)


async def test_without_its_store_a_check_goes_on_for_max_staleness_and_then_refuses() -> None:
    """503 with Retry-After: neither yes nor no, and nothing fails open."""
    store = Trouble()
    with scene(API, store=store) as s:
        opened = await s.open()
        await s.check(opened)
        store.trouble = StoreUnavailable()
        s.clock.advance(9 * SECOND)
        assert (await s.check(opened)).as_of == s.now - 9 * SECOND
        s.clock.advance(SECOND)
        with pytest.raises(StatusStale) as stale:
            await s.check(opened)
        assert stale.value.retry_after == timedelta(seconds=10)
        store.trouble = None
        s.read_on()
        await s.check(opened)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread has no turn in this test."""
    monkeypatch.setattr(local, "EVERY", 3600)


@pytest.mark.usefixtures("waiting")
async def test_a_clock_that_jumps_refuses_nobody() -> None:
    """After suspend, or moved by a test: what the thread had no time to read is read at once."""
    with scene(API) as s:
        opened = await s.open()
        await s.check(opened)
        for _ in range(20):
            s.clock.advance(11 * SECOND)
            assert (await s.check(opened)).as_of == s.now


@pytest.mark.usefixtures("waiting")
async def test_what_was_revoked_meanwhile_is_known_after_a_jump() -> None:
    """The answer rests on a read that began after the question."""
    with scene(API) as one, scene(API, store=one.store, clock=one.clock) as two:
        opened = await one.open()
        await two.check(opened)
        await one.auth.revoke(opened.session.id)
        one.clock.advance(11 * SECOND)
        with pytest.raises(SessionRevoked):
            await two.check(opened)


async def refuses(s: Scene, opened: Opened, *, times: int) -> float:
    """How many seconds so many checks took that could not know."""
    began = time.monotonic()
    for _ in range(times):
        with pytest.raises(StatusStale):
            await s.check(opened)
    return time.monotonic() - began


@pytest.mark.usefixtures("waiting")
async def test_in_an_outage_no_check_reads_after_the_first() -> None:
    """They refuse at once, and leave it to the thread to find the store again."""
    store = Trouble()
    with scene(API, store=store) as s:
        opened = await s.open()
        await s.check(opened)
        store.trouble = StoreUnavailable()
        reads = store.reads
        s.clock.advance(11 * SECOND)
        await refuses(s, opened, times=50)
        assert store.reads == reads + 1


async def test_while_a_read_hangs_no_check_waits_after_the_first() -> None:
    """And that one no longer than the thread between two reads: everybody else waits with it."""
    with scene(API) as s:
        opened = await s.open()
        await s.check(opened)
        feed = s.auth._parts.feed  # noqa: SLF001 - its thread shall be reading for ever
        assert feed is not None
        with feed._reading:  # noqa: SLF001 - as above
            s.clock.advance(11 * SECOND)
            assert await refuses(s, opened, times=1) < 25 * local.EVERY
            assert await refuses(s, opened, times=50) < 25 * local.EVERY
        assert eventually(lambda: s.auth.check_token(credential(opened)), besides=StatusStale)


async def test_what_is_durable_is_acknowledged_though_the_feed_cannot_be_read() -> None:
    """The revocation stands, so "try again" would be wrong; and this process, like any other,
    refuses after max_staleness at the latest."""
    store = Trouble()
    with scene(API, store=store) as s:
        opened = await s.open()
        await s.check(opened)
        store.trouble = StoreUnavailable()
        done = await s.auth.revoke(opened.session.id)
        assert (done.count, done.effective_within) == (1, 10 * SECOND)
        s.clock.advance(done.effective_within)
        with pytest.raises(StatusStale):
            await s.check(opened)


async def test_the_wall_clock_does_not_count_for_the_age() -> None:
    """Set ahead or back by years, what was read two seconds ago is two seconds old."""
    store = Trouble()
    with scene(API, store=store) as s:
        opened = await s.open()
        await s.check(opened)
        store.trouble = StoreUnavailable()
        s.clock.advance(2 * SECOND)
        s.clock.turn_to(START - timedelta(seconds=30))
        await s.check(opened)
        s.clock.advance(8 * SECOND)
        with pytest.raises(StatusStale):
            await s.check(opened)


async def test_what_was_written_to_the_same_file_arrives_by_itself(tmp_path: Path) -> None:
    """By a command line beside a running server, say: it has a store of its own on that file."""
    here, there = SqliteStore(tmp_path / "sessions.db"), SqliteStore(tmp_path / "sessions.db")
    index = await an_index(there)
    await opened(there, a_session(indices=(index,)))
    mirror, clock = StatusMirror(), FrozenClock(now=NOW)
    feed = LocalFeed(here, mirror, clock, MemoryKeys())
    feed.ensure()

    def status() -> type[Exception] | None:
        try:
            uptime = clock.uptime()
            mirror.require_valid(index.list_id, index.index, uptime=uptime, max_staleness=SECOND)
        except SessionRevoked as why:
            return type(why)
        return None

    assert status() is None
    await revoke(there, "s-1")
    assert eventually(status)
    feed.stop()
    await here.close()
    await there.close()


def test_what_was_read_is_as_old_as_the_beginning_of_the_read() -> None:
    """However long the store takes to answer, that time is not given away."""
    clock, mirror = FrozenClock(now=START), StatusMirror()

    class Slow(Trouble):
        async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
            clock.advance(3 * SECOND)
            return await super().feed(after, now=now)

    LocalFeed(Slow(), mirror, clock, MemoryKeys()).catch_up()
    assert mirror.age(uptime=clock.uptime()) == 3
    assert mirror.as_of == START
