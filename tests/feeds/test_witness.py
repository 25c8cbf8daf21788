"""A store that was put back from a copy is noticed, and nothing else is taken for one."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil import MemoryStore
from counterfoil.drive import drive
from counterfoil.errors import RestoreUndeclared, StoreUnavailable
from counterfoil.feeds import local
from counterfoil.feeds.local import LocalFeed
from counterfoil.feeds.witness import OLDER, Witness, declare
from counterfoil.ports import Commit
from counterfoil.status_change import FeedRead, Position
from counterfoil.status_feed import seal
from counterfoil.status_mirror import StatusMirror
from counterfoil.stores.key_files import KeyFiles
from counterfoil.testing.clock import FrozenClock
from nodes import Node, node
from restoring import copied
from scenes import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from counterfoil.ports import Keys

MOVES = Commit(moves_feed=True)
NEXT_STEP = RestoreUndeclared.next_step


def moved(store: MemoryStore, times: int = 1) -> None:
    for _ in range(times):
        assert drive(store.commit(MOVES))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return KeyFiles(tmp_path / "keys")


@pytest.fixture
def feed(store: MemoryStore, keys: Keys) -> LocalFeed:
    return LocalFeed(store, StatusMirror(), FrozenClock(now=START), keys)


def refuses(feed: LocalFeed) -> bool:
    return feed.is_unproven


def eventually(holds: Callable[[], object]) -> bool:
    """Whether it comes true within two seconds."""
    for _ in range(400):
        if holds():
            return True
        time.sleep(0.005)
    return False


def read(store: MemoryStore, keys: Keys, after: Position | None = None) -> Position:
    """As a process does that has just started, unless it is told how far it had come."""
    return Witness(store, keys).read(after, now=START).position


def test_a_store_that_goes_on_is_read(store: MemoryStore, keys: Keys) -> None:
    """By one process after the other, and by one that goes on reading."""
    for number in range(5):
        assert read(store, keys).number == number
        assert read(store, keys, Position(store.epoch, number)).number == number
        moved(store)


def test_a_store_that_has_fewer_numbers_than_it_had_is_refused(
    store: MemoryStore, keys: Keys
) -> None:
    """One is enough; and once it has as many again, nobody can see it any more: whoever may still
    write must be refused too."""
    put_back = copied(store)
    moved(store)
    read(store, keys)
    put_back()
    with pytest.raises(RestoreUndeclared, match="older than what was acknowledged"):
        read(store, keys)
    moved(store)
    read(store, keys)


def test_a_store_of_a_former_epoch_is_refused(store: MemoryStore, keys: Keys) -> None:
    """However far it had come in that."""
    moved(store, 9)
    put_back = copied(store)
    drive(declare(store, keys, now=START))
    assert read(store, keys).number == 0
    put_back()
    for _ in range(3):
        with pytest.raises(RestoreUndeclared):
            read(store, keys)
        moved(store, 9)
    drive(declare(store, keys, now=START))
    assert read(store, keys).number == 0


def test_it_can_be_declared_as_often_as_it_is_put_back(store: MemoryStore, keys: Keys) -> None:
    """From the same copy, and though the clock was set back in between."""
    put_back = copied(store)
    for hours in (0, -1, -2, 1, -9):
        moved(store)
        read(store, keys)
        put_back()
        with pytest.raises(RestoreUndeclared):
            read(store, keys)
        drive(declare(store, keys, now=START + timedelta(hours=hours)))
        assert read(store, keys).number == 0


def test_a_copy_that_says_so_is_refused(
    store: MemoryStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though no number is missing in it, and nobody ever noted one."""
    answer = MemoryStore.feed

    async def of_a_copy(self: MemoryStore, after: Position | None, **more: object) -> FeedRead:
        return replace(await answer(self, after, **more), copied_at=START)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryStore, "feed", of_a_copy)
    with pytest.raises(RestoreUndeclared, match="a copy, made at 2026-11-23 12:00:00Z"):
        read(store, keys)


def test_what_this_process_knows_counts_too(store: MemoryStore, keys: Keys) -> None:
    """Where the whole folder was put back, keys and all; and then every other process learns it."""
    put_back = copied(store)
    moved(store)
    known = Position(store.epoch, 1)
    put_back()
    read(store, keys)
    with pytest.raises(RestoreUndeclared):
        read(store, keys, known)
    with pytest.raises(RestoreUndeclared):
        read(store, keys)


def test_a_process_that_is_late_is_no_restore(
    store: MemoryStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others commit, and note it, between its read and its look at what was noted."""
    answer = MemoryStore.feed

    async def overtaken(self: MemoryStore, after: Position | None, **more: object) -> FeedRead:
        answered = await answer(self, after, **more)  # type: ignore[arg-type]
        if self is not store:  # of a test that left its thread behind
            return answered
        moved(store)
        keys.reach(Position(store.epoch, answered.position.number + 1))
        return answered

    monkeypatch.setattr(MemoryStore, "feed", overtaken)
    for number in range(1, 9, 2):
        assert read(store, keys).number == number


def test_a_process_that_is_late_for_a_new_epoch_is_no_restore(
    store: MemoryStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody declares between its read and its look, and once more after it has read again."""
    answer = MemoryStore.feed
    declared: list[str] = []

    async def overtaken(self: MemoryStore, after: Position | None, **more: object) -> FeedRead:
        answered = await answer(self, after, **more)  # type: ignore[arg-type]
        if self is store and len(declared) < 2:
            await self.begin_epoch(now=START, reached=keys.reach)
            keys.reach((await answer(self, None, now=START)).position)
            declared.append(self.epoch)
        return answered

    monkeypatch.setattr(MemoryStore, "feed", overtaken)
    assert read(store, keys).epoch == declared[0]
    assert read(store, keys).epoch == declared[1]


def test_the_feed_refuses_and_recovers_by_itself(
    store: MemoryStore, keys: Keys, feed: LocalFeed, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is said once in the log, however often it is asked meanwhile; the mirror stays as it
    was, and then begins anew."""
    caplog.set_level(logging.INFO, logger="counterfoil.feed")
    put_back = copied(store)
    moved(store)
    feed.catch_up()
    assert not refuses(feed)
    known = feed.position
    put_back()
    for _ in range(3):
        with pytest.raises(RestoreUndeclared):
            feed.catch_up()
        assert refuses(feed)
        assert feed.position == known
    drive(declare(store, keys, now=START))
    feed.catch_up()
    assert not refuses(feed)
    assert feed.position == Position(store.epoch, 0)
    feed.catch_up()
    refused, recovered = caplog.records
    assert (refused.levelname, refused.message) == ("ERROR", f"{OLDER} {NEXT_STEP}")
    assert (recovered.levelname, recovered.message.split()[1]) == ("WARNING", "restore")


def test_the_thread_says_no_more_than_that(
    store: MemoryStore, feed: LocalFeed, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on trying, and finds by itself that the restore was declared."""
    caplog.set_level(logging.INFO, logger="counterfoil.feed")
    put_back = copied(store)
    moved(store)
    feed.ensure()
    put_back()
    assert eventually(lambda: refuses(feed))
    reads = 3 * local.PAUSE
    time.sleep(reads)
    with pytest.raises(RestoreUndeclared):
        feed.ensure()
    drive(store.begin_epoch(now=START, reached=feed._keys.reach))  # noqa: SLF001 - those of the fixture
    assert eventually(lambda: not refuses(feed))
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
    feed.stop()


def test_a_store_that_is_away_was_not_put_back(
    feed: LocalFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be read has proved nothing, neither good nor bad."""

    async def away(*_: object, **__: object) -> FeedRead:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "feed", away)
        with pytest.raises(StoreUnavailable):
            feed.catch_up()
        assert refuses(feed)
    feed.catch_up()
    monkeypatch.setattr(MemoryStore, "feed", away)
    with pytest.raises(StoreUnavailable):
        feed.catch_up()
    assert not refuses(feed)


def test_a_verifier_that_has_come_further_is_a_witness(
    store: MemoryStore, keys: Keys, feed: LocalFeed
) -> None:
    """Of a snapshot of the whole folder, say; what is behind or of another store proves nothing."""
    moved(store, 3)
    feed.catch_up()
    for position in (
        Position(store.epoch, 3),
        Position(store.epoch, 0),
        Position("another-99999999999-ab", 99),
    ):
        feed.witness(position)
        assert not refuses(feed)
    feed.witness(Position(store.epoch, 4))
    assert refuses(feed)
    with pytest.raises(RestoreUndeclared):
        read(store, keys)


def test_a_verifier_of_a_later_epoch_is_a_witness(store: MemoryStore, feed: LocalFeed) -> None:
    """A snapshot from before a restore that was declared; and the epoch that is begun then follows
    the verifier's too."""
    feed.catch_up()
    later = Position(f"{store.epoch}-99999999999-ab", 2)
    feed.witness(later)
    assert refuses(feed)
    drive(declare(store, feed._keys, now=START))  # noqa: SLF001 - those of the fixture
    feed.catch_up()
    assert not refuses(feed)
    assert feed.position is not None
    assert later.is_behind(feed.position)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with node(monkeypatch) as issuer:
        issuer.open()
        yield issuer


def asks(issuer: Node, position: Position, *, sealed: bool = True) -> Position:
    """What a verifier hears that says it was told this position by the issuer."""
    secrets = issuer.scene.auth.keys.handle_secrets()
    proof = seal(position, secrets=secrets) if sealed else ""
    return issuer.told(position=position, seal=proof).read.position


def test_a_verifier_is_not_told_to_begin_with_what_is_older(issuer: Node) -> None:
    """It comes from an epoch that followed the store's, which a snapshot of the whole folder has
    not: then nobody is answered any more, whoever asks. Whoever only says so proves nothing."""
    epoch = issuer.told().read.position.epoch
    later = Position(f"{epoch}-99999999999-ab", 2)
    assert asks(issuer, later, sealed=False).epoch == epoch
    assert asks(issuer, Position("other-99999999999-ab", 2)).epoch == epoch
    for position in (later, Position(epoch, 0)):
        with pytest.raises(RestoreUndeclared):
            asks(issuer, position)
    assert drive(issuer.scene.auth.declare_restore()) == 1
    assert asks(issuer, later).store == epoch


def test_what_is_older_is_told_to_no_verifier(issuer: Node) -> None:
    """Nor is a list of it, from the first question on."""
    opened = issuer.open()
    (index,) = opened.session.indices
    put_back = copied(issuer.scene.store)
    before = issuer.told().read.position
    issuer.revoke(opened)
    assert asks(issuer, before).number == before.number + 1
    put_back()
    with pytest.raises(RestoreUndeclared):
        asks(issuer, before)
    with pytest.raises(RestoreUndeclared):
        issuer.published.signed_list(index.list_id)
