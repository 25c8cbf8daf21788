"""Which sessions a store lists, and in what order."""

# ruff: noqa: S101, PLR2004 - pytest's word is assert, and a test states numbers

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from counterfoil.ports import SessionQuery
from counterfoil.testing.records import (
    HOUR,
    NOW,
    SECOND,
    a_session,
    opened,
    revoke,
)

if TYPE_CHECKING:
    from counterfoil.ports import Store


async def ids(store: Store, query: SessionQuery) -> list[str]:
    return [session.id for session in await store.sessions(query)]


async def pages(store: Store, query: SessionQuery) -> list[list[str]]:
    """Every page that is not empty, each asked for with the last id of the one before."""
    listed: list[list[str]] = []
    while page := await ids(store, query):
        listed.append(page)
        query = replace(query, before=page[-1])
    return listed


class Listing:
    """`sessions`."""

    async def test_the_newest_come_first(self, store: Store) -> None:
        """In the order of created_at, and of id where that is the same; not of last use."""
        for name, age in [("b", 1), ("a", 1), ("new", 0), ("old", 2)]:
            seen = NOW + age * SECOND
            await opened(store, a_session(name, created_at=NOW - age * SECOND, last_seen_at=seen))
        assert await ids(store, SessionQuery()) == ["new", "b", "a", "old"]

    async def test_pages_join_without_gap_or_repeat(self, store: Store) -> None:
        """Paging to the end gives what one large page gives, though many began in one moment."""
        for number in range(20):
            created_at = NOW + number // 7 * SECOND
            await opened(store, a_session(f"s-{number:02}", created_at=created_at))
        everyone = await ids(store, SessionQuery(limit=1000))
        listed = await pages(store, SessionQuery(limit=3))
        assert [len(page) for page in listed] == [3] * 6 + [2]
        assert [name for page in listed for name in page] == everyone

    async def test_a_page_holds_no_more_than_was_asked_for(self, store: Store) -> None:
        """`limit` is the size of a page; a page of none is empty."""
        await opened(store, a_session("a"))
        await opened(store, a_session("b"))
        assert await ids(store, SessionQuery(limit=0)) == []
        assert await ids(store, SessionQuery(limit=1)) == ["b"]
        assert await ids(store, SessionQuery(limit=2**62)) == ["b", "a"]

    async def test_a_query_asks_for_a_subject_a_client_or_both(self, store: Store) -> None:
        """Each condition that is given must hold."""
        for subject in ("user-1", "user-2"):
            for client_id in ("web", "api"):
                name = f"{subject}.{client_id}"
                await opened(store, a_session(name, subject=subject, client_id=client_id))
        assert await ids(store, SessionQuery(subject="user-1")) == ["user-1.web", "user-1.api"]
        assert await ids(store, SessionQuery(client_id="api")) == ["user-2.api", "user-1.api"]
        assert await ids(store, SessionQuery(subject="user-2", client_id="web")) == ["user-2.web"]
        listed = await pages(store, SessionQuery(client_id="web", limit=1))
        assert listed == [["user-2.web"], ["user-1.web"]]

    async def test_a_list_can_begin_with_those_opened_before_a_moment(self, store: Store) -> None:
        """Opened earlier than that, not in that very moment; the other conditions hold as well."""
        for age in range(4):
            client_id = "web" if age % 2 else "api"
            moment = NOW - age * SECOND
            await opened(store, a_session(f"s-{age}", created_at=moment, client_id=client_id))
        query = SessionQuery(opened_before=NOW - SECOND)
        assert await ids(store, query) == ["s-2", "s-3"]
        assert await ids(store, replace(query, client_id="web")) == ["s-3"]
        assert await ids(store, replace(query, before="s-2")) == ["s-3"]

    async def test_ended_and_expired_ones_are_listed_unless_live_ones_are_asked_for(
        self, store: Store
    ) -> None:
        """A session whose end has been reached is not live; suspension is not asked about."""
        await opened(store, a_session("live"))
        await opened(store, a_session("ended"))
        await revoke(store, "ended")
        await opened(store, a_session("idle", last_seen_at=NOW - HOUR))
        await opened(store, a_session("almost idle", last_seen_at=NOW - HOUR + SECOND))
        await opened(store, a_session("over", absolute_end=NOW, idle=HOUR))
        everyone = {"live", "ended", "idle", "almost idle", "over"}
        assert set(await ids(store, SessionQuery())) == everyone
        assert set(await ids(store, SessionQuery(live_at=NOW))) == {"live", "almost idle"}
        assert await ids(store, SessionQuery(live_at=NOW + HOUR)) == []

    async def test_a_page_goes_on_after_a_session_that_has_ended_since(self, store: Store) -> None:
        """Who ends the sessions of each page as they go reaches the last one."""
        for number in range(5):
            await opened(store, a_session(f"s-{number}"))
        query, reached = SessionQuery(live_at=NOW, client_id="web", limit=2), 0
        while page := await ids(store, query):
            for session_id in page:
                await revoke(store, session_id)
                reached += 1
            query = replace(query, before=page[-1])
        assert reached == 5
