"""Scenes to play in: an engine with one client of each kind, and a clock that stands still."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from counterfoil import Client, Counterfoil, Lifetime, MemoryStore, Presented
from counterfoil.drive import drive
from counterfoil.stores.memory import MemoryKeys
from counterfoil.testing.clock import FrozenClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from counterfoil import Opened
    from counterfoil.credential import Verified
    from counterfoil.events import Event
    from counterfoil.ports import Claims, ClaimsSource, Keys, Store
    from counterfoil.session import Session
    from counterfoil.strategies.hybrid import HybridStrategy

ISSUER: Final = "https://app.example"
START: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYS: Final = MemoryKeys()  # made once: an RSA key costs more than a test
LIFETIME: Final = Lifetime()
SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)

WEB: Final = Client(client_id="web", strategy="session", carrier="cookie", manage=True)
PHONE: Final = Client(client_id="phone", strategy="session")
API: Final = Client(client_id="api", strategy="hybrid", manage=True)
SPA: Final = Client(client_id="spa", strategy="hybrid", carrier="cookie")
PARTNER: Final = Client(client_id="partner", strategy="jwt")
CLIENTS: Final = (WEB, PHONE, API, SPA, PARTNER)
EVERY_ID: Final = tuple(client.client_id for client in CLIENTS)
SIGNING_IDS: Final = tuple(client.client_id for client in CLIENTS if client.signs)


@dataclass(slots=True)
class Roles:
    """A claims source whose answers can be changed; counts how often it is asked."""

    of: dict[str, list[str]] = field(default_factory=dict)
    asked: int = 0

    def __call__(self, subject: str) -> Claims:
        self.asked += 1
        return {"roles": self.of.get(subject, [])}


@dataclass(slots=True)
class Scene:
    """An engine and what it is made of."""

    auth: Counterfoil
    store: MemoryStore
    clock: FrozenClock

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def advance(self, span: timedelta | float) -> None:
        """Time goes by, and the feed has read since: its thread would within 20 ms."""
        self.clock.advance(span if isinstance(span, timedelta) else timedelta(seconds=span))
        self.read_on()

    def read_on(self) -> None:
        feed = self.auth._parts.feed  # noqa: SLF001 - a test waits for no thread
        if feed is not None:
            feed.catch_up()

    async def open(self, subject: str = "ann", client_id: str = "api", **more: Any) -> Opened:
        return await self.auth.open(subject, client_id=client_id, **more)

    async def check(self, opened: Opened, *, audience: str | None = None) -> Verified:
        return await self.auth.check(credential(opened), audience=audience)

    async def refresh(self, opened: Opened) -> Opened:
        return await self.auth.refresh(handle(opened))

    async def trail(self) -> list[Event]:
        """What happened, oldest first."""
        return [line.event for line in reversed(await self.store.trail(limit=10_000))]

    async def kinds(self) -> list[str]:
        return [event.kind for event in await self.trail()]

    async def record(self, opened: Opened) -> Session:
        return await self.auth.session(opened.session.id)


@contextmanager
def scene(
    *clients: Client,
    strategy: HybridStrategy | None = None,
    store: MemoryStore | None = None,
    face: Store | None = None,
    claims: ClaimsSource | None = None,
    keys: Keys = KEYS,
    clock: FrozenClock | None = None,
    window: timedelta = timedelta(hours=1),
) -> Iterator[Scene]:
    """An engine over a memory store (by way of `face`, if given), closed at the end."""
    store = store or MemoryStore()
    clock = clock or FrozenClock(now=START)
    auth = Counterfoil(
        issuer=ISSUER,
        store=face or store,
        strategy=strategy,
        clients=clients or (() if strategy else CLIENTS),
        claims=claims,
        keys=keys,
        clock=clock,
        window=window,
    )
    try:
        yield Scene(auth, store, clock)
    finally:
        drive(auth.close())


def credential(opened: Opened) -> Presented:
    """The credential as its client sends it."""
    return as_sent(opened, opened.credential.token)


def handle(opened: Opened) -> Presented:
    """The handle as its client sends it to refresh: of `session` it is the credential itself."""
    return as_sent(opened, opened.credential.refresh_handle or opened.credential.token)


def as_sent(opened: Opened, text: str) -> Presented:
    issued = opened.credential
    client_id = issued.client_id if issued.carrier == "cookie" else None
    return Presented(text, issued.carrier, client_id)


def with_lifetime(client: Client, **durations: timedelta) -> Client:
    """The client with other durations; an idle time that is not named is the absolute one."""
    idle = durations.get("absolute", timedelta(days=30))
    lifetime = Lifetime(**{"idle": idle, **durations})
    return Client(
        client_id=client.client_id,
        strategy=client.strategy,
        carrier=client.carrier,
        lifetime=lifetime,
        max_staleness=client.max_staleness,
    )


class Waiting:
    """A store whose every call waits before and after, so that other tasks really come between."""

    suspends = True
    waits_aside = False

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def blocking(self) -> MemoryStore:
        return self._store

    def shard(self, name: str) -> int:
        return self._store.shard(name)

    async def aside(self, step: Callable[[], Any]) -> Any:
        return step()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def waiting(*args: Any, **kwargs: Any) -> Any:
            await self.pause()
            answer = await method(*args, **kwargs)
            await self.pause()
            return answer

        return method if name == "default_keys" else waiting

    async def pause(self) -> None:
        """The turn of another task."""
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Closed without waiting, as a scene's end does not run in a loop."""


async def all_of(*tasks: Any) -> list[Any]:
    """What parallel calls came to: answers and errors, in order."""
    return list(await asyncio.gather(*tasks, return_exceptions=True))


def texts_of(answers: Iterable[Any]) -> set[str]:
    """The different handles among refreshes' answers."""
    return {handle(answer).text for answer in answers}
