"""A port in front of a PostgreSQL on a Unix socket, with TLS or without: as a pooler has one, and
nothing more. The server that the tests start was built without TLS.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

_ASKS_FOR_TLS: Final = struct.pack("!II", 8, 80877103)


@contextlib.contextmanager
def port_of(path: Path, context: ssl.SSLContext | None) -> Iterator[int]:
    """The port on 127.0.0.1 at which the server on this Unix socket is reached: by TLS alone, or
    with None as it is."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_accept, args=(door, path, context), daemon=True).start()
        yield door.getsockname()[1]
        with contextlib.suppress(OSError):  # who waits in accept() would wait on
            door.shutdown(socket.SHUT_RDWR)


def _accept(door: socket.socket, path: Path, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = door.accept()
            threading.Thread(target=_serve, args=(client, path, context), daemon=True).start()


def _serve(client: socket.socket, path: Path, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), client:
        if context is None:
            _join(client, path)
        elif client.recv(len(_ASKS_FOR_TLS), socket.MSG_WAITALL) == _ASKS_FOR_TLS:
            client.sendall(b"S")
            with context.wrap_socket(client, server_side=True) as inside:
                _join(inside, path)


def _join(client: socket.socket, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(path))
        threading.Thread(target=_copy, args=(server, client), daemon=True).start()
        _copy(client, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
