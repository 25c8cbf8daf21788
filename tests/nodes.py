"""One node of an issuer without HTTP, and a verifier that follows it, on a clock that stands still.

Nothing goes on by itself here: the feed's thread has no turn, and a test carries every request.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import scenes
from counterfoil.drive import drive
from counterfoil.errors import CounterfoilError
from counterfoil.feeds import local
from counterfoil.feeds.following import FEED, JWKS, Following
from counterfoil.integrations.problem import status_of
from counterfoil.status_change import Position
from counterfoil.status_feed import Question, nonce_of, read_answer
from counterfoil.stores.memory import MemoryStore
from forging import KEYS
from scenes import API, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import pytest

    from counterfoil import Client, Opened
    from counterfoil.feeds.following import Get
    from counterfoil.feeds.published import Published
    from counterfoil.feeds.pump import Ready
    from counterfoil.status_change import FeedRead
    from counterfoil.status_feed import Answer
    from counterfoil.stores.memory import MemoryKeys
    from counterfoil.testing.clock import FrozenClock

SECOND: Final = timedelta(seconds=1)
NONCE: Final = nonce_of(bytes(16))
LISTS: Final = "/status/lists/"
Reply = tuple[int, bytes]


def own_keys() -> MemoryKeys:
    """The keys of `forging`, made once for all tests, which one test may change for itself."""
    keys = copy(scenes.KEYS)
    keys._set = KEYS  # noqa: SLF001 - an RSA key costs more than a test
    keys._lock = Lock()  # noqa: SLF001 - as above
    vars(keys).pop("_reached", None)
    return keys


class Watched(MemoryStore):
    """A store whose reads are counted, and can be made to fail, or to have something come first."""

    trouble: Exception | None = None
    reads = 0
    first: Callable[[], None] | None = None

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        if self.first is not None:
            first, self.first = self.first, None
            first()
        return await super().feed(after, now=now)


class Behind:
    """A store as a node sees it that lags: nothing that was committed after a number."""

    def __init__(self, store: MemoryStore, number: int) -> None:
        self._store = store
        self._seen = number

    def blocking(self) -> Behind:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        store = self._store
        with store._lock:  # noqa: SLF001 - no store that is sound can be asked for its past
            number, store._number = store._number, self._seen  # noqa: SLF001 - as above
            try:
                return await store.feed(after, now=now)
            finally:
                store._number = number  # noqa: SLF001 - as above


@dataclass
class Answering:
    """What a node answers to GETs, by function calls."""

    published: Published

    def ask(self, question: Question) -> str:
        """The answer, once there is one. Raises what is refused."""
        raise NotImplementedError

    def answered(self, question: Question, ready: Ready) -> str:
        return drive(self.published.answer(question, ready))

    def jwks(self) -> bytes:
        return json.dumps(self.published.keys.public_keys().to_jwks()).encode()

    def reply(self, url: str) -> Reply:
        assert url.startswith(self.published.issuer)
        parts = urlsplit(url.removeprefix(self.published.issuer))
        query = parse_qsl(parts.query)
        try:
            if parts.path == JWKS:
                return HTTPStatus.OK, self.jwks()
            if parts.path == FEED:
                return HTTPStatus.OK, self.ask(Question.read(query)).encode()
            found = dict(query)
            signed = self.published.signed_list(
                parts.path.removeprefix(LISTS),
                at_least=Position(found["epoch"], int(found["number"])),
            )
            return HTTPStatus.OK, signed.token.encode()
        except CounterfoilError as error:
            return status_of(error), b""


@dataclass
class Node(Answering):
    """A node on a clock that stands still."""

    scene: scenes.Scene

    @property
    def clock(self) -> FrozenClock:
        return self.scene.clock

    @property
    def position(self) -> Position:
        found = self.published.mirror.position
        assert found is not None
        return found

    def open(self, subject: str = "ann", client_id: str = "api") -> Opened:
        return drive(self.scene.open(subject, client_id))

    def revoke(self, opened: Opened) -> None:
        drive(self.scene.auth.revoke(opened.session.id))

    def ask(self, question: Question) -> str:
        """Who waits for news gets it when time has gone by."""
        ready: list[Ready] = []
        waiting = self.published.enter(question, ready.append)
        while not ready:
            left = max(0.0, waiting.due - self.clock.uptime())
            self.clock.advance(timedelta(seconds=left + 0.001))
            self.published.feed.catch_up()
        return self.answered(question, ready[0])

    def told(self, **asked: Any) -> Answer:
        """What a verifier that knows nothing reads in the answer to this question."""
        question = Question(**{"nonce": NONCE, **asked})
        keys = self.published.keys.public_keys()
        return read_answer(self.ask(question), question, keys=keys, issuer=ISSUER, held=None)


@contextmanager
def node(monkeypatch: pytest.MonkeyPatch, *clients: Client, **more: Any) -> Iterator[Node]:
    """A node of an engine with these clients, else with one that is `hybrid`."""
    monkeypatch.setattr(local, "EVERY", 3600)
    with scenes.scene(*(clients or (API,)), **{"keys": own_keys(), **more}) as scene:
        published = scene.auth.published
        assert published is not None
        published.prepare()
        yield Node(published, scene)


@dataclass
class Pair:
    """A verifier and the node that it follows. Whatever is asked comes by `between`, which may
    change or withhold what comes back."""

    node: Node
    following: Following
    between: Callable[[Get, Reply], Reply | None] = field(default=lambda _, reply: reply)

    @property
    def clock(self) -> FrozenClock:
        return self.node.clock

    def fetch_keys(self) -> None:
        url = self.following.keys.begin()
        status, body = self.node.reply(url)
        assert status == HTTPStatus.OK
        self.following.keys.took(body)

    def step(self) -> Get:
        """One request about status, and what comes of it."""
        get = self.following.ask()
        assert get is not None
        reply = self.between(get, self.node.reply(get.url))
        if reply is None:
            self.following.failed(get, "nothing came")
        else:
            self.following.took(get, *reply)
        return get

    def settle(self, *, steps: int = 20) -> int:
        """Steps until the verifier is connected, and as far as the node; how many there were."""
        for number in range(1, steps + 1):
            self.step()
            is_connected = self.following.connected_since is not None
            if is_connected and self.following.mirror.position == self.node.position:
                return number
        raise AssertionError("it did not come so far")

    def refusal(self, opened: Opened, *, client_id: str = "api") -> type[Exception] | None:
        """What is known against this credential."""
        (index,) = opened.session.indices
        try:
            self.following.require_valid(
                client_id, index.list_id, index.index, uptime=self.clock.uptime()
            )
        except CounterfoilError as why:
            return type(why)
        return None


def verifier_of(node: Node, **changes: Any) -> Pair:
    """A verifier that knows nothing yet."""
    chance = Random(17)  # noqa: S311 - the same in each run
    settings = {
        "keys_max_age": timedelta(hours=1),
        "tightest": None,
        "timeout": 5 * SECOND,
        "clock": node.clock,
        "entropy": chance.randbytes,
        "chance": chance,
        **changes,
    }
    return Pair(node, Following(ISSUER, **settings))
