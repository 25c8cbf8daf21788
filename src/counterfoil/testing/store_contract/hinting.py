"""The hint that something may have been committed."""

# ruff: noqa: S101 - pytest's word is assert

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.ports import Commit
from counterfoil.status_change import INVALID, StatusChange
from counterfoil.testing.records import (
    HOUR,
    ISSUING,
    NOW,
    a_session,
    an_event,
    an_index,
    opened,
    revoke,
)
from counterfoil.testing.store_contract.together import blocking_of

if TYPE_CHECKING:
    from counterfoil.ports import Store


class Hinting:
    """`hint`."""

    async def test_where_nothing_is_written_the_hint_stays(self, store: Store) -> None:
        """Reads leave it as it is, or it would lead to a read each time."""
        await opened(store, a_session())
        hint = store.hint()
        await store.look_up("s-1")
        await store.feed(None, now=NOW)
        assert [store.hint() for _ in range(3)] == [hint] * 3

    async def test_whatever_a_reader_of_the_feed_could_miss_moves_the_hint(
        self, store: Store
    ) -> None:
        """Each commit, whatever it carries, a list that is announced, and a sweep of lists."""
        hints = [store.hint()]
        index = await an_index(store)
        hints.append(store.hint())
        assert await store.commit(Commit(changes=(StatusChange(index.list_id, 0, INVALID),)))
        hints.append(store.hint())
        await opened(store, a_session(), events=(an_event(),))
        hints.append(store.hint())
        await revoke(store, "s-1")
        hints.append(store.hint())
        await store.sweep(now=NOW + HOUR + ISSUING.access)
        hints.append(store.hint())
        assert len(set(hints)) == len(hints)

    async def test_the_hint_moves_for_what_the_other_face_wrote(self, store: Store) -> None:
        """Whoever looks is rarely who writes."""
        face = blocking_of(store)
        mine, theirs = store.hint(), face.hint()
        await opened(store, a_session())
        assert store.hint() != mine
        assert face.hint() != theirs

    async def test_a_hint_that_was_taken_before_a_read_misses_nothing(self, store: Store) -> None:
        """As long as it stays, nothing has come that the read did not see."""
        index = await an_index(store)
        for number in range(5):
            hint = store.hint()
            read = await store.feed(None, now=NOW)
            assert (store.hint(), read.position.number) == (hint, number)
            assert await store.commit(
                Commit(changes=(StatusChange(index.list_id, number, INVALID),))
            )
            assert store.hint() != hint
