"""A store that an event loop may not wait for is read aside; what cannot be known is said."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from counterfoil import Counterfoil, HybridStrategy
from counterfoil.errors import (
    CredentialMalformed,
    SessionRevoked,
    StatusStale,
    StoreUnavailable,
)
from counterfoil.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from counterfoil.status_change import FeedRead, Position

T = TypeVar("T")
ISSUER = "https://auth.example"
pytestmark = pytest.mark.anyio


class Face:
    """What threads read; it notes in which."""

    suspends = False
    waits_aside = False

    def __init__(self, store: Aside) -> None:
        self._store = store
        self.read_in: set[int] = set()

    def blocking(self) -> Face:
        return self

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        self.read_in.add(threading.get_ident())
        if self._store.is_away:
            raise StoreUnavailable("It is away.")
        return await self._store.kept.feed(after, now=now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.kept, name)


class Aside:
    """One node's way to a store across a network."""

    suspends = True
    waits_aside = True

    def __init__(self, kept: MemoryStore) -> None:
        self.kept = kept
        self.is_away = False
        self.face = Face(self)

    def blocking(self) -> Face:
        return self.face

    async def aside(self, step: Callable[[], T]) -> T:
        return await asyncio.to_thread(step)

    async def close(self) -> None:
        """Others go on with it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kept, name)


@asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[Counterfoil, Counterfoil, Aside]]:
    kept = MemoryStore()
    keys, stores = kept.default_keys(), [Aside(kept), Aside(kept)]
    strategy = HybridStrategy(audience="api")
    nodes = []
    for each in stores:
        store: Any = each
        nodes.append(Counterfoil(issuer=ISSUER, store=store, strategy=strategy, keys=keys))
    try:
        yield nodes[0], nodes[1], stores[1]
    finally:
        for node in nodes:
            await node.close()


async def test_no_read_is_made_in_the_event_loop() -> None:
    """Whatever is done: opening, checking, refreshing, revoking, and what comes back from it."""
    async with two_nodes() as (one, two, store):
        opened = await one.open("ann")
        await two.check(opened.credential.token)
        renewed = await two.refresh(opened.credential.refresh_handle or "")
        await two.require_current()
        await two.revoke(opened.session.id)
        with pytest.raises(SessionRevoked):
            await two.check(renewed.credential.token)
        assert store.face.read_in
        assert threading.get_ident() not in store.face.read_in


@pytest.mark.parametrize("ask", [Counterfoil.check, Counterfoil.confirm, Counterfoil.introspect])
async def test_a_token_of_a_list_that_another_node_has_just_announced_passes(ask: Any) -> None:
    """It is read of before anybody is refused, however one asks."""
    async with two_nodes() as (one, two, store):
        with pytest.raises(CredentialMalformed):  # whereupon two follows, when there is no list yet
            await two.check("no.such.token")
        store.is_away = True  # so that the thread does not hear of it first
        opened = await one.open("ann")
        store.is_away = False
        assert (await ask(two, opened.credential.token)).subject == "ann"


async def test_where_the_list_cannot_be_read_of_nobody_is_told_no() -> None:
    """An honest token, at a node that follows but has not heard of its list, while the store is
    away. The plain call, which waits for nothing, does not know either."""
    async with two_nodes() as (one, two, store):
        await two.require_current()
        await asyncio.to_thread(two.holding.moment)  # which has its thread follow
        store.is_away = True
        opened = await one.open("ann")
        with pytest.raises(StoreUnavailable):
            await two.check(opened.credential.token)
        with pytest.raises(StatusStale):
            two.check_token(opened.credential.token)
        store.is_away = False
        assert (await two.check(opened.credential.token)).subject == "ann"
