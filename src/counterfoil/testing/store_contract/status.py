"""Indices given out of status lists, the feed of their changes, and the sweep of both."""

# ruff: noqa: S101, PLR2004 - pytest's word is assert, and a test states numbers

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from counterfoil.ports import Commit, SessionQuery
from counterfoil.status_change import INVALID, SUSPENDED, VALID, Position, StatusChange
from counterfoil.testing.records import (
    HOUR,
    ISSUING,
    NOW,
    SECOND,
    a_session,
    an_event,
    an_index,
    found,
    opened,
    revoke,
)

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.ports import Store
    from counterfoil.status_list import StatusList


async def directory(store: Store, *, now: datetime = NOW) -> list[StatusList]:
    return list((await store.feed(None, now=now)).lists)


async def change(store: Store, *changes: StatusChange) -> None:
    assert await store.commit(Commit(changes=changes))


class Reserving:
    """`reserve`."""

    async def test_the_first_list_is_announced_when_it_is_needed(self, store: Store) -> None:
        """With it comes the next window's, so that every verifier knows that one beforehand."""
        assert await directory(store) == []
        block = await store.reserve(ISSUING, count=10, now=NOW)
        lists = await directory(store)
        assert [known.opens_at for known in lists] == [NOW, NOW + HOUR]
        assert len({known.id for known in lists}) == 2
        assert block.list == lists[0] == ISSUING.following(block.list.id, opens_at=NOW)
        assert [block.take() for _ in range(11)] == [*range(10), None]

    async def test_an_index_is_given_once(self, store: Store) -> None:
        """Blocks of one list follow each other; nothing is announced that is there already."""
        blocks = [await store.reserve(ISSUING, count=7, now=NOW) for _ in range(3)]
        assert [(block.start, block.stop) for block in blocks] == [(0, 7), (7, 14), (14, 21)]
        assert len({block.list.id for block in blocks}) == 1
        assert len(await directory(store)) == 2

    async def test_a_list_gives_out_no_more_than_it_has(self, store: Store) -> None:
        """The last block may be short; a half-used list has a second one announced beside it."""
        small = replace(ISSUING, size=10)
        given: list[tuple[str, int]] = []
        for _ in range(8):
            known = {status_list.id for status_list in await directory(store)}
            block = await store.reserve(small, count=4, now=NOW)
            assert block.list.id in known or not given
            assert block.stop <= 10
            while (index := block.take()) is not None:
                given.append((block.list.id, index))
        assert len(given) == len(set(given)) > 20

    async def test_a_window_ends_and_the_next_list_takes_over(self, store: Store) -> None:
        """It was announced a window ahead, and announces the one after itself."""
        first = await store.reserve(ISSUING, count=1, now=NOW)
        ahead = (await directory(store))[1]
        second = await store.reserve(ISSUING, count=1, now=NOW + HOUR)
        assert second.list == ahead != first.list
        assert second.start == 0
        assert [known.opens_at for known in await directory(store)] == [
            NOW,
            NOW + HOUR,
            NOW + 2 * HOUR,
        ]


class Feeding:
    """`feed`."""

    async def test_a_new_store_has_a_position(self, store: Store) -> None:
        """Nothing has changed yet, and reading on from there says so."""
        read = await store.feed(None, now=NOW)
        assert (read.after, read.position.number) == (None, 0)
        assert (read.lists, read.changes) == ((), ())
        assert await store.feed(read.position, now=NOW) == replace(read, after=read.position)

    async def test_changes_are_numbered_in_the_order_of_commits(self, store: Store) -> None:
        """Without gaps, and within a commit in the order given; one entry may change twice."""
        list_id = (await an_index(store)).list_id
        changes = [StatusChange(list_id, index, INVALID) for index in (5, 3, 5, 4)]
        changes[2] = StatusChange(list_id, 5, VALID)
        await change(store, *changes[:2])
        await change(store)
        await change(store, *changes[2:])
        read = await store.feed(None, now=NOW)
        assert read.changes == tuple(changes)
        assert read.position.number == 4

    async def test_a_commit_that_moves_the_feed_takes_one_number(self, store: Store) -> None:
        """Where it carries no change; its changes have their own. Numbers stay in the order of
        commits, and a reader finds nothing at a number without a change."""
        list_id = (await an_index(store)).list_id
        changes = [StatusChange(list_id, index, INVALID) for index in range(3)]
        numbers = []
        for commit in (
            Commit(moves_feed=True),
            Commit(),
            Commit(changes=tuple(changes[:2]), moves_feed=True),
            Commit(sessions=(a_session(),), moves_feed=True),
            Commit(changes=(changes[2],)),
        ):
            assert await store.commit(commit)
            numbers.append((await store.feed(None, now=NOW)).position.number)
        assert numbers == [1, 1, 3, 4, 5]
        epoch = (await store.feed(None, now=NOW)).position.epoch
        for number, following in [(0, changes), (1, changes), (3, changes[2:]), (4, changes[2:])]:
            read = await store.feed(Position(epoch, number), now=NOW)
            assert read.changes == tuple(following)

    async def test_a_commit_that_did_not_take_moves_nothing(self, store: Store) -> None:
        """The number is that of what is durable, and of nothing else."""
        await opened(store, a_session())
        assert not await store.commit(Commit(sessions=(a_session(),), moves_feed=True))
        assert (await store.feed(None, now=NOW)).position.number == 0

    async def test_reading_on_brings_only_what_came_after(self, store: Store) -> None:
        """From any earlier position, as often as it is asked for."""
        list_id = (await an_index(store)).list_id
        positions = [(await store.feed(None, now=NOW)).position]
        changes = [StatusChange(list_id, index, SUSPENDED) for index in range(4)]
        for one in changes:
            await change(store, one)
            positions.append((await store.feed(positions[-1], now=NOW)).position)
        for number, position in enumerate(positions):
            for _ in range(2):
                read = await store.feed(position, now=NOW)
                assert (read.after, read.position) == (position, positions[-1])
                assert read.changes == tuple(changes[number:])
                assert len(read.lists) == 2

    async def test_another_epoch_is_read_from_nothing(self, store: Store) -> None:
        """The answer says so, and brings everything."""
        list_id = (await an_index(store)).list_id
        await change(store, StatusChange(list_id, 1, INVALID))
        read = await store.feed(Position("another", 1), now=NOW)
        assert read == await store.feed(None, now=NOW)
        assert read.after is None
        assert len(read.changes) == 1

    async def test_a_list_that_is_announced_is_read_though_nothing_changed(
        self, store: Store
    ) -> None:
        """The whole directory comes with every read, in the order of announcement."""
        position = (await store.feed(None, now=NOW)).position
        assert (await store.feed(position, now=NOW)).lists == ()
        await an_index(store)
        read = await store.feed(position, now=NOW)
        assert (len(read.lists), read.position) == (2, position)
        await store.reserve(ISSUING, count=1, now=NOW + HOUR)
        assert len((await store.feed(position, now=NOW)).lists) == 3

    async def test_a_list_whose_tokens_have_expired_is_left_out(self, store: Store) -> None:
        """From the very moment that it names; the position stays, and numbers go on."""
        index = await an_index(store)
        await change(store, StatusChange(index.list_id, 1, INVALID))
        position = (await store.feed(None, now=NOW)).position
        first, second = await directory(store)
        for after in (position, None):
            just_before = await store.feed(after, now=first.dropped_at - SECOND)
            assert just_before.lists == (first, second)
            then = await store.feed(after, now=first.dropped_at)
            assert (then.lists, then.position) == ((second,), position)


class Sweeping:
    """`sweep`."""

    async def test_only_what_is_past_its_absolute_end_is_forgotten(self, store: Store) -> None:
        """A revoked or idle session is kept until then, so "revoked" never becomes "unknown"."""
        for name, end in [("over", NOW), ("ended", NOW + HOUR), ("idle", NOW + HOUR)]:
            await opened(store, a_session(name, absolute_end=end, last_seen_at=NOW - HOUR))
        ended = await revoke(store, "ended")
        assert await store.sweep(now=NOW) == 1
        assert await store.look_up("over") is None
        assert (await found(store, "ended")).session == ended
        assert await store.sweep(now=NOW) == 0
        assert await store.sweep(now=NOW + HOUR) == 2
        assert await store.sessions(SessionQuery()) == []

    async def test_a_sweep_goes_no_further_than_its_limit(self, store: Store) -> None:
        """Sweeping again takes up the rest, until 0 says that nothing is left."""
        for number in range(7):
            await opened(store, a_session(f"s-{number}", absolute_end=NOW))
        swept = [await store.sweep(now=NOW, limit=3) for _ in range(4)]
        assert swept == [3, 3, 1, 0]

    async def test_subjects_clients_and_the_trail_are_kept(self, store: Store) -> None:
        """A version that began anew would let an old proof pass for a fresh one."""
        state = (await opened(store, a_session(absolute_end=NOW), events=(an_event(),))).subject
        trail = await store.trail()
        assert await store.sweep(now=NOW) == 1
        assert await store.subject("user-1") == state
        assert await store.trail() == trail

    async def test_changes_of_lists_that_are_kept_survive(self, store: Store) -> None:
        """From nothing or from any earlier position a reader still learns all that counts."""
        old = (await an_index(store)).list_id
        later = NOW + HOUR
        new = (await store.reserve(ISSUING, count=9, now=later)).list
        await change(store, StatusChange(old, 0, INVALID))
        position = (await store.feed(None, now=later)).position
        kept = [StatusChange(new.id, index, INVALID) for index in range(3)]
        await change(store, kept[0], StatusChange(old, 1, INVALID), *kept[1:])
        dropped_at = NOW + HOUR + ISSUING.access
        assert await store.sweep(now=dropped_at, limit=1) == 0
        for after in (None, position):
            read = await store.feed(after, now=dropped_at)
            of_kept = [change for change in read.changes if change.list_id == new.id]
            assert of_kept == kept
            assert read.position == Position(position.epoch, 5)
            assert old not in [known.id for known in read.lists]
        await change(store, kept[0])
        assert (await store.feed(position, now=dropped_at)).position.number == 6

    async def test_a_dropped_list_never_returns(self, store: Store) -> None:
        """Not even if the clock goes back: its entries are gone."""
        index = await an_index(store)
        dropped_at = NOW + HOUR + ISSUING.access
        assert await store.sweep(now=dropped_at) == 0
        assert index.list_id not in [known.id for known in await directory(store, now=NOW)]
        assert (await store.reserve(ISSUING, count=1, now=NOW)).list.id != index.list_id
