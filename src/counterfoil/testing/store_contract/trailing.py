"""The trail of events."""

# ruff: noqa: S101 - pytest's word is assert

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.ports import Commit
from counterfoil.testing.records import NOW, SECOND, an_event

if TYPE_CHECKING:
    from counterfoil.ports import Store

DETAILS = [
    {},
    {"because": "revoked", "count": 3, "nested": [{"deep": None}, True, 1.5]},
    {"identifier": "näïve ☃ \0 \ud800", "": "empty"},
]


class Trailing:
    """`note`, the events of `commit`, and `trail`."""

    async def test_the_trail_holds_what_was_committed_and_noted(self, store: Store) -> None:
        """Newest first, each as it was, whatever text a caller got into it."""
        committed = [an_event(detail=detail, session_id="s-1") for detail in DETAILS]
        noted = an_event("sign_in_refused", subject=None, at=NOW + SECOND)
        assert await store.trail() == []
        assert await store.commit(Commit(events=tuple(committed)))
        await store.note(noted)
        lines = await store.trail()
        assert [line.event for line in lines] == [noted, *reversed(committed)]
        numbers = [line.number for line in lines]
        assert numbers == sorted(set(numbers), reverse=True)

    async def test_the_trail_is_read_in_pages(self, store: Store) -> None:
        """Each page holds `limit` events numbered below `before`; the last ones are empty."""
        for number in range(7):
            await store.note(an_event(detail={"number": number}))
        read: list[object] = []
        before: int | None = None
        while lines := await store.trail(before=before, limit=3):
            read += [line.event.detail["number"] for line in lines]
            before = lines[-1].number
        assert read == [6, 5, 4, 3, 2, 1, 0]
        assert await store.trail(limit=0) == []
        assert await store.trail(before=-1) == []
        assert len(await store.trail(before=2**70, limit=2**70)) == len(read)

    async def test_the_trail_of_a_subject_holds_nobody_elses(self, store: Store) -> None:
        """And events without a subject belong to none."""
        own = [an_event(at=NOW + number * SECOND) for number in range(3)]
        await store.note(an_event(subject="user-2"))
        await store.note(an_event(subject=None))
        for event in own:
            await store.note(event)
        lines = await store.trail(subject="user-1")
        assert [line.event for line in lines] == own[::-1]
        older = await store.trail(subject="user-1", before=lines[0].number, limit=1)
        assert older == lines[1:2]
