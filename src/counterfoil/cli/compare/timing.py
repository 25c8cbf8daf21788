"""Times of many single calls, told as their middle and their slowest hundredth."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Self

from counterfoil.cli.compare.passage import HOST
from counterfoil.cli.demo.caller import NotAsSaid

_PATIENCE: Final = 30.0
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of one call, of so many."""

    calls: int
    p50: float
    p99: float

    @classmethod
    def of(cls, took: Sequence[float]) -> Self:
        ordered = sorted(took)
        last = len(ordered) - 1
        return cls(len(ordered), ordered[last // 2], ordered[round(last * 0.99)])


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call took."""
    began = perf_counter()
    work()
    return perf_counter() - began


class Wire:
    """A connection to the server that is kept, and whole requests on it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=_PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> None:
        """Sends it and reads the answer whole. Raises `NotAsSaid` for any but 200."""
        self._socket.sendall(request)
        answer = b""
        while True:
            received = self._socket.recv(65536)
            answer += received
            head, ended, body = answer.partition(b"\r\n\r\n")
            if not received or (ended and int(head[9:12]) != _OK):
                raise NotAsSaid("A request that was to be timed was refused.")
            if ended:
                told = head.lower().partition(b"\r\ncontent-length: ")[2].split(b"\r\n", 1)[0]
                if len(body) >= int(told or b"0"):
                    return


def check_request(audience: str, header: str) -> bytes:
    """Asks as a proxy asks about each request: `GET /v1/check`, with this header line."""
    lines = (f"GET /v1/check?audience={audience} HTTP/1.1", f"Host: {HOST}")
    # A cookie counts only with it.
    more = ("Sec-Fetch-Site: same-origin",) if header.startswith("Cookie") else ()
    return "\r\n".join((*lines, header, *more, "", "")).encode()
