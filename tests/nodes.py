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


@dataclass
class Node:
    """An issuer's node, asked by function calls."""

    scene: scenes.Scene
    published: Published

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
        """The answer. Who waits for news gets it when time has gone by. Raises what is refused."""
        ready: list[Ready] = []
        waiting = self.published.enter(question, ready.append)
        while not ready:
            left = max(0.0, waiting.due - self.clock.uptime())
            self.clock.advance(timedelta(seconds=left + 0.001))
            self.published.feed.catch_up()
        return drive(self.published.answer(question, ready[0]))

    def told(self, **asked: Any) -> Answer:
        """What a verifier that knows nothing reads in the answer to this question."""
        question = Question(**{"nonce": NONCE, **asked})
        keys = self.scene.auth.keys.public_keys()
        return read_answer(self.ask(question), question, keys=keys, issuer=ISSUER, held=None)

    def jwks(self) -> bytes:
        return json.dumps(self.scene.auth.keys.public_keys().to_jwks()).encode()

    def reply(self, url: str) -> Reply:
        """What it answers to a GET of this address."""
        parts = urlsplit(url)
        assert url.startswith(ISSUER)
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


@contextmanager
def node(monkeypatch: pytest.MonkeyPatch, *clients: Client, **more: Any) -> Iterator[Node]:
    """A node of an engine with these clients, else with one that is `hybrid`."""
    monkeypatch.setattr(local, "EVERY", 3600)
    with scenes.scene(*(clients or (API,)), **{"keys": own_keys(), **more}) as scene:
        published = scene.auth.published
        assert published is not None
        published.prepare()
        yield Node(scene, published)


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
        """Steps until the verifier has come as far as the node; how many there were."""
        for number in range(1, steps + 1):
            self.step()
            if self.following.mirror.position == self.node.position:
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
