"""A process that asks the feed as so many verifiers would, over as many connections.

Leaner than verifiers are, so that two processors suffice for them and the server: it fetches no
lists and checks no signature. Each question, its position, seal and terms are those of a verifier,
and the next one follows each answer at once. It reads `{"poll": seconds}` and tells what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import sys
from base64 import urlsafe_b64decode
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import uvloop

from bench.feed.node import FEED, HOST, uptime
from bench.feed.watching import say
from counterfoil.status_change import Position
from counterfoil.status_feed import NONCE_BYTES, Question, nonce_of

if TYPE_CHECKING:
    from collections.abc import Sequence

OK: Final = b"200"
AGAIN: Final = 1.0  # seconds, after an answer that is none


class Poller(asyncio.Protocol):
    """One that waits. oldest: the greatest age of what it knew just before an answer, since the
    request for what it rested on was sent; a verifier refuses above L."""

    def __init__(self, port: int, bound: float) -> None:
        self.polls = self.failures = 0
        self.oldest = 0.0
        self.has_come = asyncio.Event()  # it has been answered once
        self._port = port
        self._bound = bound
        self._name = nonce_of(secrets.token_bytes(6))
        self._transport: asyncio.Transport | None = None
        self._answer = b""
        self._position: Position | None = None
        self._seal = self._terms = ""
        self._asked_at = self._known_at = uptime()

    def forget(self) -> None:
        self.polls = self.failures = 0
        self.oldest = 0.0

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, HOST, self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of a TCP connection
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        self._transport, self._answer = None, b""
        self.failures += 1
        loop = asyncio.get_running_loop()
        loop.call_later(AGAIN, lambda: loop.create_task(self._reconnect()))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, ended, body = self._answer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]
        if not ended or len(body) < int(length):
            return
        self._answer = b""
        self.polls += 1
        if head[9:12] == OK:
            self._take(json.loads(_decoded(body.split(b".")[1])))
            self._ask()
        else:
            self.failures += 1
            asyncio.get_running_loop().call_later(AGAIN, self._ask)

    def _take(self, said: dict[str, Any]) -> None:
        if self._position is not None:
            self.oldest = max(self.oldest, uptime() - self._known_at)
        self._known_at = self._asked_at
        self.has_come.set()
        self._position = Position(said["epoch"], said["to"])
        self._seal, self._terms = said["seal"], said["digest"]

    def _ask(self) -> None:
        if self._transport is None:
            return
        wait = timedelta(seconds=self._bound / 3 * random.uniform(0.9, 1))  # noqa: S311 - as verifiers spread
        question = Question(
            nonce=nonce_of(secrets.token_bytes(NONCE_BYTES)),
            position=self._position,
            seal=self._seal,
            terms=self._terms,
            wait=wait if self._position is not None else timedelta(0),
            verifier=self._name,
        )
        self._asked_at = uptime()
        self._transport.write(
            f"GET {FEED}?{question.query()} HTTP/1.1\r\nHost: {HOST}:{self._port}\r\n"
            "Accept: application/jwt\r\nAccept-Encoding: identity\r\nCache-Control: no-cache\r\n"
            "Connection: keep-alive\r\nUser-Agent: counterfoil\r\n\r\n".encode()
        )

    async def _reconnect(self) -> None:
        with suppress(OSError):
            await self.connect()


async def _main(port: int, count: int, bound: float) -> None:
    pollers = [Poller(port, bound) for _ in range(count)]
    for poller in pollers:  # spread over one wait, as those that started at any time are
        await poller.connect()
        await asyncio.sleep(bound / 3 / count)
    # A busy server takes one connection in at each turn of its loop, so some come in seconds later.
    for poller in pollers:
        await poller.has_come.wait()
    say({"ready": count})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        for poller in pollers:
            poller.forget()
        await asyncio.sleep(json.loads(line)["poll"])
        say(_told(pollers))


def _told(pollers: Sequence[Poller]) -> dict[str, Any]:
    return {
        "polls": sum(each.polls for each in pollers),
        "failures": sum(each.failures for each in pollers),
        "oldest": max(each.oldest for each in pollers),
    }


def _decoded(segment: bytes) -> bytes:
    return urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("bound", type=float)
    chosen = parser.parse_args()
    uvloop.run(_main(chosen.port, chosen.count, chosen.bound))
