"""What may stand between a verifier and its issuer: it takes each request, and does as it is told.

Requests are GETs. Each is a thread's own business for as long as it takes, so that one which is
held back holds back no other.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ssl import SSLContext

FEED: Final = "feed"
LISTS: Final = "lists"
KEYS: Final = "keys"
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # to close so is to send a reset
_PATIENCE: Final = 30.0


class Gone(Exception):
    """The connection is not to be used any more."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer, whole. headers: lines, without those that are about the connection."""

    status: str
    headers: tuple[str, ...]
    body: bytes

    def data(self, *, length: int | None = None) -> bytes:
        said = len(self.body) if length is None else length
        lines = [f"HTTP/1.1 {self.status}", *self.headers, f"Content-Length: {said}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclass(slots=True)
class Exchange:
    """A request that has come, and what can be done about it."""

    box: Middlebox
    connection: socket.socket
    target: str
    _head: bytes

    @property
    def kind(self) -> str:
        if self.target.startswith("/status/feed"):
            return FEED
        return LISTS if self.target.startswith("/status/lists/") else KEYS

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def fetch(self, target: str | None = None) -> Whole:
        """What the issuer answers. Raises `OSError`."""
        first, _, rest = self._head.decode("latin-1").partition("\r\n")
        asked = first.replace(self.target, target or self.target, 1)
        rest = rest.replace("Connection: keep-alive", "Connection: close")
        with socket.create_connection(("127.0.0.1", self.box.upstream), _PATIENCE) as line:
            line.sendall(f"{asked}\r\n{rest}".encode("latin-1"))
            data = b""
            while more := line.recv(65536):
                data += more
        head, _, body = data.partition(b"\r\n\r\n")
        status, *headers = head.decode("latin-1").split("\r\n")
        ours = ("connection:", "content-length:", "transfer-encoding:", "keep-alive:")
        kept = tuple(line for line in headers if not line.lower().startswith(ours))
        return Whole(status.partition(" ")[2], kept, body)

    def answer(self, whole: Whole) -> None:
        self.send(whole.data())

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def close(self) -> None:
        raise Gone

    def reset(self) -> None:
        _reset(self.connection)
        raise Gone

    def wait(self, seconds: float) -> bool:
        """Whether the box has come to do something else meanwhile."""
        behaviour = self.box.behaviour
        with self.box.changed:
            return self.box.changed.wait_for(
                lambda: self.box.behaviour is not behaviour, timeout=seconds
            )


Behaviour: TypeAlias = Callable[[Exchange], None]


def through(exchange: Exchange) -> None:
    """As if there were nothing."""
    exchange.answer(exchange.fetch())


class Middlebox:
    """Listens, and does with every request as `behaviour` says. upstream: the issuer's port on
    loopback. tls: what it ends here."""

    def __init__(
        self, listening: socket.socket, upstream: int, *, tls: SSLContext | None = None
    ) -> None:
        self.upstream = upstream
        self.changed = threading.Condition()
        self.behaviour: Behaviour = through
        self.asked = 0
        self._tls = tls
        self._listening = listening
        self._open: set[socket.socket] = set()
        self.port: int = listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def behave(self, behaviour: Behaviour, *, reset: bool = False) -> None:
        """From now on. reset: the connections that are open are reset."""
        with self.changed:
            self.behaviour = behaviour
            self.changed.notify_all()
            if reset:
                for connection in tuple(self._open):
                    _reset(connection)

    def stop(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.behave(Exchange.close, reset=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self.changed:
            self._open.add(connection)
        connection.settimeout(_PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with suppress(OSError, Gone, ValueError):
                self._converse(connection)
        finally:
            with self.changed:
                self._open.discard(connection)
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        line = connection
        if self._tls is not None:
            line = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=True)
        with line:
            head = b""
            while True:
                while b"\r\n\r\n" not in head:
                    data = line.recv(65536)
                    if not data:
                        return
                    head += data
                first, _, head = head.partition(b"\r\n\r\n")
                self.asked += 1
                target = first.split(b" ", 2)[1].decode("latin-1")
                self.behaviour(Exchange(self, line, target, first + b"\r\n\r\n"))


@contextmanager
def middlebox(upstream: int) -> Iterator[Middlebox]:
    """One on loopback."""
    box = Middlebox(socket.create_server(("127.0.0.1", 0)), upstream)
    try:
        yield box
    finally:
        box.stop()


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        connection.shutdown(socket.SHUT_RD)
        connection.close()
