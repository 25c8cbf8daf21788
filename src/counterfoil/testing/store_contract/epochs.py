"""A new epoch, for a store that was put back from a copy."""

# ruff: noqa: S101, PLR2004 - pytest's word is assert, and a test states numbers

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from counterfoil.ports import Commit, SessionQuery
from counterfoil.status_change import INVALID, Position, StatusChange
from counterfoil.subject import ClientState
from counterfoil.testing.records import (
    HOUR,
    NOW,
    SECOND,
    a_session,
    an_event,
    an_index,
    found,
    opened,
    revoke,
    sign_in,
)

if TYPE_CHECKING:
    from counterfoil.ports import Store

EPOCH = re.compile(r"[A-Za-z0-9_-]{1,64}")
LATER = NOW + SECOND


def unknown(position: Position) -> Position:
    """What is answered of a store of which nobody has noted more than it says itself."""
    return position


async def position_of(store: Store) -> Position:
    return (await store.feed(None, now=NOW)).position


async def begin(store: Store, **more: Any) -> int:
    return await store.begin_epoch(now=LATER, **{"reached": unknown, **more})


class Beginning:
    """`begin_epoch`."""

    async def test_an_epoch_follows_the_one_before(self, store: Store) -> None:
        """And that of how far the store is known to have come, of which it asks once."""
        first = await position_of(store)
        assert await begin(store) == 0
        second = await position_of(store)
        asked: list[Position] = []

        def reached(position: Position) -> Position:
            asked.append(position)
            return Position(f"{first.store}-99999999999999-ab", 5)

        assert await begin(store, reached=reached) == 0
        third = await position_of(store)
        assert asked == [second]
        assert first.is_behind(second)
        assert asked[0].is_behind(third)
        assert Position(f"{first.store}-99999999999999-ab", 5).is_behind(third)
        for position in (first, second, third):
            assert EPOCH.fullmatch(position.epoch)
            assert position.store == first.store
            assert (await store.feed(position, now=NOW)).position == third

    async def test_two_copies_of_one_store_begin_epochs_that_differ(self, store: Store) -> None:
        """Nobody may take the one for the other, though both follow the same."""
        epochs = set()
        for _ in range(3):
            await begin(store)
            epochs.add((await position_of(store)).epoch.rpartition("-")[2])
        assert len(epochs) == 3

    async def test_every_session_is_ended(self, store: Store) -> None:
        """Expired ones too, should a clock be wrong. The live are counted, and what had ended stays
        as it was."""
        await opened(store, a_session("live"))
        await opened(store, a_session("other", subject="user-2", client_id="api"))
        await opened(store, a_session("idle", last_seen_at=NOW - HOUR))
        await opened(store, a_session("over", absolute_end=NOW))
        await opened(store, a_session("ended"))
        ended = await revoke(store, "ended")
        told: list[int] = []
        assert await begin(store, because="put back", progress=told.append) == 2
        for name in ("live", "other", "idle", "over"):
            session = (await found(store, name)).session
            assert (session.ended_at, session.ended_because) == (LATER, "put back")
        assert (await found(store, "ended")).session == ended
        assert told[-1] == 4
        assert await store.sessions(SessionQuery(live_at=LATER)) == []

    async def test_as_many_sessions_as_there_are(self, store: Store) -> None:
        """Thousands, all opened at one moment; how many are done is told on the way."""
        many = [a_session(f"s-{number}") for number in range(6_000)]
        for start in range(0, len(many), 3000):
            assert await store.commit(Commit(sessions=tuple(many[start : start + 3000])))
        told: list[int] = []
        assert await begin(store, progress=told.append) == len(many)
        assert told == sorted(told)
        assert told[-1] == len(many)
        assert await store.sessions(SessionQuery(live_at=LATER)) == []

    async def test_the_feed_begins_anew(self, store: Store) -> None:
        """No change and no list is left, whoever asks from wherever; numbers begin at 1."""
        index = await an_index(store)
        for number in range(3):
            change = StatusChange(index.list_id, number, INVALID)
            assert await store.commit(Commit(changes=(change,)))
        before = await position_of(store)
        await begin(store)
        for after in (None, before, Position(before.epoch, 0)):
            read = await store.feed(after, now=NOW)
            assert (read.after, read.lists, read.changes) == (None, (), ())
            assert read.position.number == 0
        assert await store.commit(Commit(moves_feed=True))
        assert (await position_of(store)).number == 1

    async def test_a_list_of_a_former_epoch_never_returns(self, store: Store) -> None:
        """Its indices were given to tokens that are refused now, whoever still has one to give."""
        former = {(await an_index(store)).list_id}
        former |= {known.id for known in (await store.feed(None, now=NOW)).lists}
        for _ in range(3):
            await begin(store)
            index = await an_index(store)
            lists = (await store.feed(None, now=NOW)).lists
            assert index.list_id == lists[0].id
            assert {known.id for known in lists}.isdisjoint(former)
            former |= {known.id for known in lists}

    async def test_what_was_read_before_is_expected_in_vain(self, store: Store) -> None:
        """A sign-in, refresh or anything else that was under way comes too late, though it should
        have read from the store that was there before, which had gone further."""
        state = (await opened(store, a_session())).subject
        client = await store.client("web")
        await begin(store)
        for ahead in range(200):
            proved = replace(state, version=state.version + ahead)
            assert not await sign_in(store, a_session("s-2"), proved)
            assert not await store.commit(Commit(sessions=(a_session(version=1 + ahead),)))
            moved = ClientState(client_id="web", version=client.version + ahead)
            assert not await store.commit(Commit(unchanged=(moved,)))
        assert (await store.subject("user-1")).epoch != state.epoch
        again = a_session("s-3")
        assert await sign_in(store, again, await store.subject("user-1"))

    async def test_a_commit_may_expect_an_epoch(self, store: Store) -> None:
        """Then it holds in that and in no other."""
        first = (await position_of(store)).epoch
        assert await store.commit(Commit(sessions=(a_session(),), epoch=first))
        await begin(store)
        assert not await store.commit(Commit(sessions=(a_session("s-2"),), epoch=first))
        second = (await position_of(store)).epoch
        assert await store.commit(Commit(sessions=(a_session("s-2"),), epoch=second))

    async def test_it_is_in_the_trail_which_is_kept(self, store: Store) -> None:
        """With how many sessions it ended; suspensions and claims stand as they were."""
        state = (await opened(store, a_session(), events=(an_event(),))).subject
        suspended = replace(state.suspended(now=NOW).with_changed_claims(), version=2)
        assert await store.commit(Commit(subjects=(suspended,)))
        await begin(store, because="put back")
        events = [line.event for line in await store.trail()]
        assert [event.kind for event in events] == ["store_restored", "session_opened"]
        assert events[0].at == LATER
        assert events[0].detail == {"because": "put back", "sessions": 1}
        now = await store.subject("user-1")
        assert (now.suspended_at, now.claims_version) == (NOW, 1)

    async def test_it_moves_the_hint(self, store: Store) -> None:
        """Every process has to read that soon."""
        hint = store.hint()
        await begin(store)
        assert store.hint() != hint

    async def test_it_can_be_repeated(self, store: Store) -> None:
        """With nothing left to end."""
        await opened(store, a_session())
        assert [await begin(store), await begin(store)] == [1, 0]
