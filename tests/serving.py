"""Real servers on loopback: one that answers with whatever bytes a test says, and uvicorn."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ssl import SSLContext

Reply = Callable[[socket.socket, str], None]  # a connection, and the head of its request


class Server:
    """Answers every connection with `reply`; `asked` holds the heads of the requests."""

    def __init__(self, reply: Reply, *, tls: SSLContext | None = None, port: int = 0) -> None:
        self.reply = reply
        self._tls = tls
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        # Closing alone does not end the accept that is under way.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    data = connection.recv(65536)
                    if not data:
                        return
                    head += data
                self.asked.append(head.decode("latin-1"))
                self.reply(connection, self.asked[-1])


@contextmanager
def answering(reply: Reply, *, tls: SSLContext | None = None, port: int = 0) -> Iterator[Server]:
    server = Server(reply, tls=tls, port=port)
    try:
        yield server
    finally:
        server.stop()


def bytes_of(
    body: bytes, *, status: int = 200, headers: tuple[str, ...] = (), length: int | None = None
) -> bytes:
    """An answer, sound unless the test makes it otherwise."""
    lines = [f"HTTP/1.1 {status} Said", "Connection: close", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join((*lines, "", "")).encode() + body


def saying(data: bytes) -> Reply:
    return lambda connection, _: connection.sendall(data)


def saying_json(value: Any, *, status: int = 200) -> Reply:
    return saying(bytes_of(json.dumps(value).encode(), status=status))


@contextmanager
def serving(app_for: Callable[[str], Any], *, port: int = 0, **settings: Any) -> Iterator[str]:
    """The URL at which uvicorn serves the application that `app_for` makes for that URL."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(app_for(url), **{"log_config": None, "ws": "none", **settings})
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            until(lambda: server.started)
            yield url
        finally:
            server.should_exit = True
            thread.join()


def until(holds: Callable[[], object], *, timeout: float = 10) -> None:
    """Waits for what happens in another thread."""
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
