"""The store: one primary whose commits are linearizable, and each node's way to it.

A call takes simulated time. It takes effect when its request has arrived at the primary, and what
is read is what was so at that moment, whatever has happened when the answer is back. A call whose
request or answer is lost fails: in the second case it has taken effect all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.feeds.witness import declare
from simulation.loop import Wait
from simulation.machine import Machine
from simulation.records import InMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from random import Random

    from counterfoil.events import Event
    from counterfoil.ports import Commit, Found, Keys, SessionQuery, Store, TrailLine
    from counterfoil.session import Session
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_list import Block, Issuing
    from counterfoil.subject import ClientState, SubjectState
    from simulation.loop import Loop, Resume
    from simulation.network import Link, Network, Reply
    from simulation.records import Records

LIST_SIZE: Final = 16  # so small that lists are filled up, and more than one is open at a time
AT_ONCE: Final = (1, 2, 8)  # indices that a node is given, at most


T = TypeVar("T")


class Primary:
    """The records, and when each list was announced (true time)."""

    def __init__(self, loop: Loop, chance: Random, records: Records | None = None) -> None:
        self.machine = Machine(loop, "store")
        self._chance = chance
        self._records = records or InMemory()
        self.store = self.face()
        self.announced: dict[str, float] = {}
        self.era = 0
        self._loop = loop
        self._saved: Mapping[str, Any] | None = None
        self._saved_at: Position | None = None

    def face(self) -> Store:
        """The store as a new process of a node has it."""
        return self._records.face()

    def run(self, method: str, *given: Any, by: Store | None = None, **named: Any) -> Any:
        """Has a call take effect now, by the face of whoever makes it."""
        if method == "reserve":
            [issuing] = given
            given = (replace(issuing, size=LIST_SIZE),)
            named["count"] = min(named["count"], self._chance.choice(AT_ONCE))
        answer = drive(getattr(by or self.store, method)(*given, **named))
        if method == "reserve":
            for list_id in self._records.lists():
                self.announced.setdefault(list_id, self._loop.now)
        return answer

    def back_up(self) -> None:
        self._saved, self._saved_at = self._records.copied(), self.position

    @property
    def position(self) -> Position:
        return self._records.position

    @property
    def is_backed_up(self) -> bool:
        return self._saved is not None

    @property
    def is_as_backed_up(self) -> bool:
        """Whether nothing was numbered since, so that nobody could notice the backup in its place:
        whoever puts such a copy back has to say so."""
        return self.position == self._saved_at

    def put_back(self) -> None:
        """Puts the backup in the store's place; what was on its way to it reaches it no more."""
        self._records.put_back(self._saved or {})
        self.era += 1

    def declare(self, keys: Keys) -> None:
        """Says that it was put back, as `counterfoil restore` does."""
        drive(declare(self.store, keys, now=self.machine.now()))
        self.era += 1


class NodeStore:
    """A `counterfoil.ports.Store` as one node reaches it. patience: seconds that it waits."""

    suspends = True
    waits_aside = False

    def __init__(
        self,
        machine: Machine,
        link: Link,
        network: Network,
        primary: Primary,
        *,
        patience: float,
    ) -> None:
        self._patience = patience
        self._machine = machine
        self._link = link
        self._network = network
        self.primary = primary
        self._opened = primary.face()
        self.face = FeedFace(self)

    def blocking(self) -> Store:
        return cast("Store", self.face)

    async def aside(self, step: Callable[[], T]) -> T:
        return step()

    def shard(self, name: str) -> int:
        return self.primary.store.shard(name)

    def default_keys(self) -> Keys:
        raise ConfigurationError("The nodes share a folder of keys.")

    def send(
        self,
        heard: Callable[[Any, Exception | None], object],
        method: str,
        *given: Any,
        **named: Any,
    ) -> None:
        """Makes a call; `heard` hears once what came of it."""
        primary, era = self.primary, self.primary.era
        waiting = [heard]

        def hear(value: Any, error: Exception | None) -> None:
            while waiting:
                waiting.pop()(value, error)

        def serve(reply: Reply) -> None:
            if primary.era == era:
                reply(primary.run(method, *given, by=self._opened, **named))

        self._network.ask(
            self._machine,
            [self._link],
            primary.machine,
            serve,
            heard=lambda value: hear(value, None),
        )
        self._machine.after(
            self._patience, lambda: hear(None, StoreUnavailable("It does not answer."))
        )

    def at_once(self, method: str, *given: Any, **named: Any) -> Any:
        """A call for which everything on the node waits: it takes no time, or fails."""
        if not self._link.is_open():
            raise StoreUnavailable("It cannot be reached.")
        return self.primary.run(method, *given, by=self._opened, **named)

    async def _ask(self, method: str, *given: Any, **named: Any) -> Any:
        def begin(resume: Resume) -> None:
            self.send(resume, method, *given, **named)

        return await Wait(begin)

    async def look_up(self, session_id: str) -> Found | None:
        found: Found | None = await self._ask("look_up", session_id)
        return found

    async def subject(self, subject: str) -> SubjectState:
        state: SubjectState = await self._ask("subject", subject)
        return state

    async def client(self, client_id: str) -> ClientState:
        state: ClientState = await self._ask("client", client_id)
        return state

    async def sessions(self, query: SessionQuery) -> list[Session]:
        found: list[Session] = await self._ask("sessions", query)
        return found

    async def all_of_subject(self, subject: str) -> tuple[SubjectState, list[Session]]:
        found: tuple[SubjectState, list[Session]] = await self._ask("all_of_subject", subject)
        return found

    async def commit(self, commit: Commit) -> bool:
        done: bool = await self._ask("commit", commit)
        return done

    async def touch(self, session_id: str, at: datetime) -> None:
        await self._ask("touch", session_id, at)

    async def note(self, event: Event) -> None:
        await self._ask("note", event)

    async def reserve(self, issuing: Issuing, *, count: int, now: datetime) -> Block:
        block: Block = await self._ask("reserve", issuing, count=count, now=now)
        return block

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        read: FeedRead = await self._ask("feed", after, now=now)
        return read

    async def trail(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[TrailLine]:
        found: list[TrailLine] = await self._ask(
            "trail", subject=subject, before=before, limit=limit
        )
        return found

    async def sweep(self, *, now: datetime, limit: int = 1000) -> int:
        swept: int = await self._ask("sweep", now=now, limit=limit)
        return swept

    def hint(self) -> object:
        """Nobody looks: a timer reads."""
        return None

    async def close(self) -> None:
        """Nothing to let go of."""


class FeedFace:
    """What a node's feed reads by, which never suspends.

    A read that the node's timer has begun is made in simulated time; what came of it is put here
    as it is back, and taken in as if it had just been waited for.
    """

    suspends = False

    def __init__(self, store: NodeStore) -> None:
        self._whole = store
        self.came: Callable[[], FeedRead] | None = None

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        if self.came is not None:
            came, self.came = self.came, None
            return came()
        read: FeedRead = self._whole.at_once("feed", after, now=now)
        return read
