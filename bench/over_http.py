"""Whole requests to a real server: `counterfoil serve --dev` as it is, in a process of its own."""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from bench.measuring import Case, Contender, calls
from counterfoil.cli.demo.caller import Caller
from counterfoil.cli.demo.lookups import between, counted
from counterfoil.cli.demo.temporary_server import temporary_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.cli.demo.temporary_server import Running

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE: Final = 30.0  # seconds
COUNTED: Final = 50  # requests between two looks at what the server counted
FROM_ITSELF: Final = "Sec-Fetch-Site: same-origin\r\n"  # a cookie counts only with it


@contextmanager
def http(_: Path) -> Iterator[Case]:
    with _bare_server() as bare, temporary_server() as server, _connected(_port(server)) as wire:
        asked = {
            "GET /livez": _request("/livez", ""),
            "GET /v1/check, session": _request(
                "/v1/check?audience=web", FROM_ITSELF + _credential(server, "web")
            ),
            "GET /v1/check, hybrid": _request("/v1/check?audience=api", _credential(server, "api")),
            "GET /v1/check, jwt": _request(
                "/v1/check?audience=partner", _credential(server, "partner")
            ),
        }
        floor = _over(bare, None, "uvicorn, no work (floor)", _request("/", ""))
        ours = [_over(wire, server, name, sent) for name, sent in asked.items()]
        yield Case("over HTTP, one connection that is kept", [floor, *ours])


@contextmanager
def _bare_server() -> Iterator[socket.socket]:
    """A connection to the bare application, under the web server that Counterfoil's is."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    options = ("--port", str(port), "--log-level", "warning", "--lifespan", "off")
    command = [sys.executable, "-m", "uvicorn", "bench.bare:app", *options]
    with Popen(command, cwd=ROOT) as running:  # noqa: S603 - this project's own program
        try:
            with _connected_once_it_runs(running, port) as wire:
                yield wire
        finally:
            running.kill()


def _connected_once_it_runs(running: Popen[bytes], port: int) -> socket.socket:
    give_up = monotonic() + PATIENCE
    while True:
        try:
            return _connected(port)
        except ConnectionRefusedError:
            if running.poll() is not None or monotonic() > give_up:
                raise
            sleep(0.02)


def _connected(port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def _port(server: Running) -> int:
    return int(server.issuer.rpartition(":")[2])


def _credential(server: Running, client_id: str) -> str:
    """The header line of somebody who has signed in."""
    reply = Caller(server.issuer)(
        "POST",
        "/v1/sessions",
        client_id=client_id,
        identifier="demo",
        password=server.administrators_password,
    ).expect(201)
    if reply.cookie is not None:
        return f"Cookie: {reply.cookie.partition(';')[0]}\r\n"
    return f"Authorization: Bearer {reply.body['credential']['token']}\r\n"


def _request(path: str, headers: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


def _over(wire: socket.socket, server: Running | None, name: str, sent: bytes) -> Contender:
    def ask() -> bytes:
        wire.sendall(sent)
        return _answer(wire)

    answer = ask()
    costs = {"bytes sent": float(len(sent)), "bytes back": float(len(answer))}
    if server is None:
        return Contender(name, calls(ask), costs=costs)
    call = Caller(server.issuer)
    before = counted(call)
    for _ in range(COUNTED):
        ask()
    if found := between(before, counted(call), checks=COUNTED):
        costs = {"store calls": found.per_check, **costs}
    return Contender(name, calls(ask), costs=costs)


def _answer(wire: socket.socket) -> bytes:
    """A whole answer, which must be 200 and tell its length."""
    answer = b""
    while True:
        answer += wire.recv(65536)
        head, ended, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(f"The answer began with {answer[:40]!r}, so nothing is measured.")
        if ended and len(body) >= int(head.lower().partition(b"content-length: ")[2].split()[0]):
            return answer
