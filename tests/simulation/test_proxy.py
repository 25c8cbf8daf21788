"""The proxy that is good for nothing."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from simulation.node import Response
from simulation.proxy import Manners, Proxy

FEED = "https://issuer.example/status/feed?nonce="
LIST = "https://issuer.example/status/lists/"
KEYS = "https://issuer.example/.well-known/jwks.json"


class Way:
    """A proxy, and an issuer behind it that numbers its answers."""

    def __init__(self, **manners: Any) -> None:
        self.proxy = Proxy(Random(3))
        self.answered = 0
        self.manners = Manners(**manners)

    def get(self, url: str) -> Response:
        came: list[Any] = []

        def forward(reply: Any) -> None:
            self.answered += 1
            reply(Response(200, b"%d" % self.answered))

        self.proxy.ask(url, came.append, forward)
        (answer,) = came
        assert isinstance(answer, Response)
        return answer

    def misbehaves(self) -> None:
        self.proxy.manners = self.manners


def test_with_manners_it_passes_everything_on() -> None:
    """And remembers it."""
    way = Way()
    assert [way.get(FEED + "a").body, way.get(FEED + "a").body] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("caches", "asked", "cached"),
    [
        ("url", FEED + "a", True),
        ("url", FEED + "b", False),
        ("path", FEED + "b", True),
        ("lists", LIST + "l?number=7", True),
        ("lists", FEED + "a", False),
        ("keys", KEYS + "?terms=t", True),
    ],
)
def test_it_answers_with_what_was_last_answered_there(
    caches: str, asked: str, *, cached: bool
) -> None:
    """Whatever `no-store` says, and whatever else was asked."""
    way = Way(caches=caches)
    for url in (FEED + "a", LIST + "l", KEYS):
        way.get(url)
    way.misbehaves()
    before = way.answered
    way.get(asked)
    assert (way.answered == before) is cached


def test_it_replays_and_swaps() -> None:
    """An older answer of the kind, or another list."""
    way = Way(replays=1.0)
    way.get(FEED + "a")
    way.misbehaves()
    assert way.get(FEED + "b").body == b"1"
    way = Way(swaps=1.0)
    way.get(LIST + "one")
    way.misbehaves()
    assert way.get(LIST + "two").body == b"1"
    assert way.get(FEED + "a").body == b"2"


def test_it_cuts_and_fails() -> None:
    """A part of the answer, or an error of its own."""
    way = Way(cuts=1.0)
    way.misbehaves()
    assert way.get(FEED + "a").body == b""
    way = Way(fails=1.0)
    way.misbehaves()
    assert way.get(FEED + "a").status >= 400
