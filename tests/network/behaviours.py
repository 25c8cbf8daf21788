"""What middleboxes do to a feed: slow, broken, forgetful, deceitful."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from network.middlebox import FEED, KEYS, through

if TYPE_CHECKING:
    from network.middlebox import Behaviour, Exchange, Whole

OTHER_NONCE: Final = "A" * 22
ERRORS: Final = ("404 Not Found", "302 Found", "500 Broken", "503 Away", "204 No Content", "200 OK")


def slow(seconds: float) -> Behaviour:
    """Each way takes so long."""

    def held_up(exchange: Exchange) -> None:
        exchange.wait(seconds)
        whole = exchange.fetch()
        exchange.wait(seconds)
        exchange.answer(whole)

    return held_up


def late(seconds: float) -> Behaviour:
    """What the issuer says arrives so much later, though it stays true to the word."""

    def held(exchange: Exchange) -> None:
        whole = exchange.fetch()
        exchange.wait(seconds)
        exchange.answer(whole)

    return held


def dripping(exchange: Exchange) -> None:
    """Byte by byte."""
    for byte in exchange.fetch().data():
        exchange.send(bytes([byte]))
        exchange.wait(0.005)


def truncating(exchange: Exchange) -> None:
    """Half of it, and the end of the line."""
    data = exchange.fetch().data()
    exchange.send(data[: len(data) // 2])
    exchange.close()


def shortening(exchange: Exchange) -> None:
    """Half of the body, which is said to be all."""
    whole = exchange.fetch()
    exchange.answer(replace(whole, body=whole.body[: len(whole.body) // 2]))


def resetting(exchange: Exchange) -> None:
    """Half of it, and a reset."""
    data = exchange.fetch().data()
    exchange.send(data[: len(data) // 2])
    exchange.reset()


def refusing(exchange: Exchange) -> None:
    """A reset at once."""
    exchange.reset()


def silent(exchange: Exchange) -> None:
    """Nothing, ever."""
    exchange.wait(60)
    exchange.close()


def twice(exchange: Exchange) -> None:
    """Every answer two times."""
    whole = exchange.fetch()
    exchange.send(whole.data())
    exchange.wait(0.02)
    exchange.send(whole.data())


def asking_twice(exchange: Exchange) -> None:
    """Every question two times."""
    first = exchange.fetch()
    exchange.fetch()
    exchange.answer(first)


def stripping(exchange: Exchange) -> None:
    """No header but the length."""
    exchange.answer(replace(exchange.fetch(), headers=()))


def failing() -> Behaviour:
    """An error page of its own for everything, one after the other."""
    drawn = random.Random(7)  # noqa: S311 - no secret

    def failed(exchange: Exchange) -> None:
        answer = replace(exchange.fetch(), status=drawn.choice(ERRORS), body=b"<h1>Sorry</h1>")
        exchange.answer(answer)

    return failed


class Flipping:
    """One character of each body is another."""

    def __init__(self) -> None:
        self._drawn = random.Random(11)  # noqa: S311 - no secret

    def __call__(self, exchange: Exchange) -> None:
        whole = exchange.fetch()
        body = bytearray(whole.body)
        if body:
            body[self._drawn.randrange(len(body))] ^= 1 << self._drawn.randrange(6)
        exchange.answer(replace(whole, body=bytes(body)))


class Keeping:
    """Answers for ever with what it was first answered, and asks no more. by_path: whatever the
    query. kinds: of what."""

    def __init__(self, *kinds: str, by_path: bool) -> None:
        self._kinds = kinds
        self._by_path = by_path
        self._kept: dict[str, Whole] = {}

    def __call__(self, exchange: Exchange) -> None:
        if exchange.kind not in self._kinds:
            return through(exchange)
        name = exchange.path if self._by_path else exchange.target
        if name not in self._kept:
            self._kept[name] = exchange.fetch()
        exchange.answer(self._kept[name])
        return None


class Replaying:
    """Answers questions with any of the answers that it has seen; the first ones it lets through,
    and one now and then, so that there is always something newer to replay."""

    def __init__(self) -> None:
        self._seen: list[Whole] = []
        self._drawn = random.Random(13)  # noqa: S311 - no secret
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        if exchange.kind != FEED:
            return through(exchange)
        with self._lock:
            is_honest = len(self._seen) < 3 or self._drawn.random() < 0.05
        if is_honest:
            self._seen.append(exchange.fetch())
        exchange.answer(self._drawn.choice(self._seen[:-1] or self._seen))
        return None


def swapping(exchange: Exchange) -> None:
    """The genuine answer to another question: the same position, another nonce."""
    if exchange.kind != FEED:
        return through(exchange)
    query = dict(parse_qsl(exchange.target.partition("?")[2]))
    asked = urlencode({**query, "nonce": OTHER_NONCE})
    exchange.answer(exchange.fetch(f"{exchange.path}?{asked}"))
    return None


def keys_silent(exchange: Exchange) -> None:
    """All but the keys goes through."""
    (silent if exchange.kind == KEYS else through)(exchange)


class Chaotic:
    """For each request another of the rest; a seed says which."""

    def __init__(self, seed: int) -> None:
        self._drawn = random.Random(seed)  # noqa: S311 - no secret
        self._lock = threading.Lock()
        self._all: list[Behaviour] = [
            through,
            slow(0.05),
            late(1.2),
            dripping,
            truncating,
            shortening,
            resetting,
            refusing,
            twice,
            asking_twice,
            stripping,
            failing(),
            Flipping(),
            Replaying(),
            swapping,
        ]

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            chosen = self._drawn.choice(self._all)
        chosen(exchange)
