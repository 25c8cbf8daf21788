"""The standalone server as it is, in processes of its own, and what the chapter asks of it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.feed.machine import cpu_of, descendants, process_of
from counterfoil.cli.data import NOTE, DataFolder, at
from counterfoil.cli.demo.caller import Caller
from counterfoil.cli.demo.temporary_server import temporary_server
from counterfoil.client import Client
from counterfoil.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil import Opened

HOST: Final = "127.0.0.1"
CLIENT: Final = "api"  # of a development server: hybrid, bearer
PATIENCE: Final = 300.0
AT_ONCE: Final = 64
FEED: Final = "/status/feed"
_SAMPLE: Final = re.compile(r"^(counterfoil_\w+)\{([^}]*)\} ([0-9.e+-]+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
uptime: Final = SystemClock().uptime


class Entry(NamedTuple):
    """A session that was opened for this: its credential, and where its status stands, if it has
    one."""

    token: str
    list_id: str
    place: int


class Taken(NamedTuple):
    """What the server did from one moment to another. cpu: seconds, of all its processes."""

    seconds: float
    cpu: float | None
    store_calls: Counter[str]
    feed_requests: float


@dataclass(frozen=True, slots=True)
class Node:
    """A server that runs. issuer: its URL, for verifiers; port: where it listens itself."""

    issuer: str
    port: int
    data: Path
    administrators_password: str
    pids: tuple[int, ...]

    @property
    def call(self) -> Caller:
        return Caller(f"http://{HOST}:{self.port}")

    def open(self, count: int, *, client_id: str = CLIENT, of: str = "") -> list[Entry]:
        """So many sessions, by the engine beside the server: passwords would take minutes. of:
        their one subject; each is of another by default."""
        return at(self.data, lambda folder: _opened(folder, count, client_id, of))

    def add_client(self, client_id: str) -> None:
        async def work(folder: DataFolder) -> None:
            lifetime = folder.settings.lifetime
            client = Client(client_id=client_id, strategy="hybrid", lifetime=lifetime)
            await folder.clients.add(client, at=folder.clock.now(), own_lifetime=False)

        at(self.data, work)

    def cpu(self) -> float | None:
        return cpu_of(self.pids)

    def taken(self) -> Taken:
        """So far."""
        calls: Counter[str] = Counter()
        requests = 0.0
        for name, labels, value in _SAMPLE.findall(self.call("GET", "/metrics").expect(200).body):
            found = dict(_LABEL.findall(labels))
            if name == "counterfoil_store_calls_total":
                calls[found["call"]] += round(float(value))
            elif name == "counterfoil_requests_total" and found["route"] == FEED:
                requests += float(value)
        return Taken(uptime(), self.cpu(), calls, requests)

    def since(self, before: Taken) -> Taken:
        now = self.taken()
        cpu = None if now.cpu is None or before.cpu is None else now.cpu - before.cpu
        calls = Counter(now.store_calls)
        calls.subtract(before.store_calls)
        requests = now.feed_requests - before.feed_requests
        return Taken(now.seconds - before.seconds, cpu, calls, requests)


@contextmanager
def serving(*options: str) -> Iterator[Node]:
    """`counterfoil serve --dev` with these options."""
    with temporary_server("--host", HOST, *options) as running:
        note = json.loads((running.data / NOTE).read_bytes())
        first = process_of(str(running.data))
        yield Node(
            issuer=running.issuer,
            port=note["port"],
            data=running.data,
            administrators_password=running.administrators_password,
            pids=() if first is None else tuple(descendants(first)),
        )


class Wire:
    """A connection to the server that is kept, and whole requests on it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        self._socket.sendall(request)
        answer = b""
        while True:
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionError("The server has closed the line.")
            answer += received
            head, ended, body = answer.partition(b"\r\n\r\n")
            if ended:
                length = head.lower().partition(b"\r\ncontent-length: ")[2].split(b"\r\n", 1)[0]
                if len(body) >= int(length or b"0"):
                    return int(head[9:12]), body

    def close(self) -> None:
        self._socket.close()


def sign_out(token: str) -> bytes:
    return request("DELETE", "/v1/session", bearer(token))


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def request(method: str, path: str, *headers: str) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", f"Host: {HOST}", *headers)
    return "\r\n".join((*lines, "", "")).encode()


async def _opened(folder: DataFolder, count: int, client_id: str, subject: str) -> list[Entry]:
    found: list[Entry] = []
    at_once = 1 if subject else AT_ONCE  # commits about one subject would be decided again
    for first in range(0, count, at_once):
        names = (subject or f"person-{first + each}" for each in range(min(at_once, count - first)))
        opening = (folder.auth.open(name, client_id=client_id) for name in names)
        found += map(_entry, await asyncio.gather(*opening))
    return found


def _entry(opened: Opened) -> Entry:
    for index in opened.session.indices:
        return Entry(opened.credential.token, index.list_id, index.index)
    return Entry(opened.credential.token, "", 0)
