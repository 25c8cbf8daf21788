"""A node of the issuer: the real engine and what it publishes, on a machine, served by no HTTP."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from counterfoil import Counterfoil, parts
from counterfoil.errors import CounterfoilError, NotFound, Unavailable
from counterfoil.feeds.following import FEED, JWKS
from counterfoil.feeds.local import LocalFeed
from counterfoil.integrations.problem import status_of
from counterfoil.integrations.status import LISTS
from counterfoil.status_change import Position
from counterfoil.status_feed import Question
from simulation.primary import NodeStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from random import Random

    from counterfoil import Client
    from counterfoil.clock import Clock
    from counterfoil.feeds.published import Published
    from counterfoil.feeds.pump import Ready
    from counterfoil.ports import ClaimsSource, Store
    from counterfoil.status_change import FeedRead
    from counterfoil.status_mirror import StatusMirror
    from simulation.keys import KeyFolder
    from simulation.machine import Machine
    from simulation.network import Link, Network, Reply
    from simulation.primary import Primary
    from simulation.trace import Trace

    Put = Callable[[Callable[[], FeedRead]], object]

ISSUER: Final = "https://issuer.example"
SHORTEST_REST: Final = 0.02
WINDOW: Final = timedelta(minutes=1)  # the shortest there is


@dataclass(frozen=True, slots=True)
class Response:
    """What a request for a URL is answered with."""

    status: int
    body: bytes = b""


class ReadClock:
    """A machine's clocks as a feed reads them: `held` is what they said when the read began that
    is being taken in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.held: tuple[float, datetime] | None = None

    def now(self) -> datetime:
        return self._clock.now() if self.held is None else self.held[1]

    def uptime(self) -> float:
        return self._clock.uptime() if self.held is None else self.held[0]


class TimedFeed(LocalFeed):
    """The local feed without its thread: `ensure` only reads, and a node's timer reads on."""

    def __init__(self, store: Store, mirror: StatusMirror, clock: Clock, *more: Any) -> None:
        self.read_clock = ReadClock(clock)
        super().__init__(store, mirror, self.read_clock, *more)

    def ensure(self) -> None:
        if self.position is None or self.is_unproven:
            self.catch_up()
        self._pid = os.getpid()  # as if the thread were there

    def due_in(self, rest: float) -> float:
        """Seconds until the timer is to read on; `rest`, where nothing asks for it sooner."""
        return max(SHORTEST_REST, min(rest, self._read_by - self.read_clock.uptime()))

    def take(self, read: FeedRead, *, began: float, at: datetime, put: Put) -> None:
        """Has what came of a read that began then taken in, by the code that would have read."""

        def came() -> FeedRead:
            self.read_clock.held = None
            return read

        put(came)
        self.read_clock.held = (began, at)
        try:
            self.catch_up()
        finally:
            self.read_clock.held = None


class IssuerNode:
    """Serves `Response`s, and runs the engine's verbs, while its machine runs."""

    def __init__(
        self,
        machine: Machine,
        *,
        store_link: Link,
        network: Network,
        primary: Primary,
        keys: KeyFolder,
        clients: tuple[Client, ...],
        claims: ClaimsSource,
        chance: Random,
        trace: Trace,
        rest: float,
        patience: float,
    ) -> None:
        self._rest = rest
        self._patience = patience
        self.machine = machine
        self.name = machine.name
        self.is_lagging = False  # its timer reads nothing
        self._links = (store_link, network, primary)
        self._keys = keys
        self._clients = clients
        self._claims = claims
        self._chance = chance
        self._trace = trace
        self._serial = count()
        self._ready: list[tuple[int, Question, Ready, Reply]] = []
        self._open: dict[int, Reply] = {}
        self.start()

    def start(self) -> None:
        """A new process: whatever the one before had in memory is gone."""
        self.machine.start()
        self.store = NodeStore(self.machine, *self._links, patience=self._patience)
        self.engine = _built(
            issuer=ISSUER,
            store=self.store,
            clients=self._clients,
            claims=self._claims,
            keys=self._keys,
            clock=self.machine,
            entropy=self._chance.randbytes,
            window=WINDOW,
        )
        published = self.engine.published
        assert published is not None  # noqa: S101 - there are hybrid clients and a store
        self.published: Published = published
        published.prepare()
        self.mirror = published.mirror
        self._ready, self._open = [], {}
        self._read_on()

    def crash(self, *, is_silent: bool) -> None:
        """Whoever waits is told by a connection reset, unless the whole machine is gone."""
        waiting, self._open = self._open, {}
        self.machine.crash()
        if not is_silent:
            for reply in waiting.values():
                reply(Response(HTTPStatus.BAD_GATEWAY))

    @property
    def feed(self) -> TimedFeed:
        """The one of the process that runs now."""
        feed = self.published.feed
        assert isinstance(feed, TimedFeed)  # noqa: S101 - `_built` made it
        return feed

    def serve(self, url: str, reply: Reply) -> None:
        """Answers a GET of this URL, now or later."""
        parts_of = urlsplit(url)
        query = parse_qsl(parts_of.query)
        try:
            if parts_of.path == FEED:
                self._enter(Question.read(query), reply)
            elif parts_of.path.startswith(LISTS):
                reply(self._list(parts_of.path.removeprefix(LISTS), dict(query)))
            elif parts_of.path == JWKS:
                keys = self.engine.keys.public_keys()
                reply(Response(HTTPStatus.OK, json.dumps(keys.to_jwks()).encode()))
            else:
                raise NotFound
        except CounterfoilError as why:
            reply(Response(status_of(why)))

    def _enter(self, question: Question, reply: Reply) -> None:
        serial = next(self._serial)

        def deliver(ready: Ready) -> None:
            # The pump's order is that of addresses in memory: answered in order of arrival.
            if not self._ready:
                self.machine.after(0, self._answer)
            self._ready.append((serial, question, ready, reply))

        self._open[serial] = reply
        try:
            self.published.enter(question, deliver)
        except CounterfoilError:
            del self._open[serial]
            raise

    def _answer(self) -> None:
        ready, self._ready = sorted(self._ready, key=lambda each: each[0]), []
        for serial, question, answer, reply in ready:
            self._open.pop(serial, None)

            def over(token: str, error: CounterfoilError | None, reply: Reply = reply) -> None:
                if error is not None:
                    reply(Response(status_of(error)))
                else:
                    reply(Response(HTTPStatus.OK, token.encode()))

            self.machine.spawn(self.published.answer(question, answer), over)

    def _list(self, list_id: str, query: dict[str, str]) -> Response:
        at_least = None
        if "epoch" in query and query.get("number", "").isdecimal():
            at_least = Position(query["epoch"], int(query["number"]))
        signed = self.published.signed_list(list_id, at_least=at_least)
        return Response(HTTPStatus.OK, signed.token.encode())

    def _read_on(self) -> None:
        """The timer: a read begins, takes effect, and is taken in."""
        feed, machine = self.feed, self.machine
        asked, began, at = feed.position, machine.uptime(), machine.now()

        def came(read: FeedRead | None, error: Exception | None) -> None:
            # Where another read was quicker, this one is nothing to go on from.
            if error is None and read is not None and feed.position == asked:
                with suppress(Unavailable):
                    feed.take(read, began=began, at=at, put=self._put)
                self._trace.count("store reads")
            machine.after(feed.due_in(self._rest), self._read_on)

        if self.is_lagging:
            machine.after(feed.due_in(self._rest), self._read_on)
        else:
            self.store.send(came, "feed", asked, now=at)

    def _put(self, came: Callable[[], FeedRead]) -> None:
        self.store.face.came = came


def _built(**settings: Any) -> Counterfoil:
    """An engine whose feed has no thread, and that no fork concerns: nothing here forks."""
    with (
        patch.object(parts, "LocalFeed", TimedFeed),
        patch.object(os, "register_at_fork", lambda **_: None),
    ):
        return Counterfoil(**settings)
