"""A port in front of a PostgreSQL on a Unix socket, with TLS or without, as a pooler has one; it
may be late. The server that the tests start was built without TLS.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Join = Callable[[socket.socket], object]

_ASKS_FOR_TLS: Final = struct.pack("!II", 8, 80877103)


@dataclass
class Delay:
    """Seconds by which each answer is late; for all connections, and from now on."""

    seconds: float = 0.0


@contextlib.contextmanager
def port_of(
    path: Path, context: ssl.SSLContext | None, delay: Delay | None = None
) -> Iterator[int]:
    """The port on 127.0.0.1 at which the server on this Unix socket is reached: by TLS alone, or
    with None as it is."""
    join = partial(_join, path=path, delay=delay or Delay())
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_accept, args=(door, join, context), daemon=True).start()
        yield door.getsockname()[1]
        with contextlib.suppress(OSError):  # who waits in accept() would wait on
            door.shutdown(socket.SHUT_RDWR)


def _accept(door: socket.socket, join: Join, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = door.accept()
            threading.Thread(target=_serve, args=(client, join, context), daemon=True).start()


def _serve(client: socket.socket, join: Join, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), client:
        if context is None:
            join(client)
        elif client.recv(len(_ASKS_FOR_TLS), socket.MSG_WAITALL) == _ASKS_FOR_TLS:
            client.sendall(b"S")
            with context.wrap_socket(client, server_side=True) as inside:
                join(inside)


def _join(client: socket.socket, *, path: Path, delay: Delay) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(path))
        threading.Thread(target=_copy, args=(server, client, delay), daemon=True).start()
        _copy(client, server, Delay())


def _copy(source: socket.socket, target: socket.socket, delay: Delay) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            time.sleep(delay.seconds)
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
