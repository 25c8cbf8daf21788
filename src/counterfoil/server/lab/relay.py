"""The wire between a second service and the issuer, which can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final

_PIECE: Final = 65536


class Relay:
    """Listens on loopback, and hands on whatever comes to the port that it is told."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.leads_to = 0
        self._is_cut = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="lab-relay", daemon=True).start()

    def cut(self) -> None:
        """Every connection is dropped, and no new one is let through."""
        self._is_cut = True
        self._drop()

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self._is_cut = True
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._drop()

    def _drop(self) -> None:
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            if self._is_cut:
                return
            with socket.create_connection(("127.0.0.1", self.leads_to)) as far:
                self._keep(near, far)
                back = threading.Thread(target=_hand_on, args=(far, near), daemon=True)
                back.start()
                try:
                    _hand_on(near, far)
                    back.join()
                finally:
                    self._forget(near, far)

    def _keep(self, *both: socket.socket) -> None:
        with self._lock:
            self._open.update(both)
            if self._is_cut:
                raise OSError("cut")

    def _forget(self, *both: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(both)


def _hand_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
