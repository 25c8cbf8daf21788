"""The signals that are sent to the supervisor, read one after the other where it waits anyway."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from counterfoil.server.operations.signals import meaning_of_hang_ups

HEARD: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class SignalQueue:
    """Hears signals within its context; a selector tells when there are some."""

    def __enter__(self) -> Self:
        self._hang_up = meaning_of_hang_ups()
        self._reading, self._writing = socket.socketpair()
        self._reading.settimeout(0)
        self._writing.settimeout(0)
        self._former = {sig: signal.signal(sig, lambda *_: None) for sig in HEARD}
        signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for sig, handler in self._former.items():
            signal.signal(sig, handler)
        self._reading.close()
        self._writing.close()

    def fileno(self) -> int:
        return self._reading.fileno()

    def read(self) -> list[int]:
        """Their numbers, in the order they came; SIGINT where a hang-up means that."""
        try:
            heard = self._reading.recv(4096)
        except BlockingIOError:
            return []
        return [self._hang_up() if sig == signal.SIGHUP else sig for sig in heard]

    @contextmanager
    def held(self) -> Iterator[None]:
        """None arrives meanwhile: between its fork and `leave` a child would take it for us."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)

    def leave(self) -> None:
        """In a child: signals are its own again. What a terminal sends to the whole group is for
        the supervisor to hear, and to pass on."""
        signal.set_wakeup_fd(-1)
        self._reading.close()
        self._writing.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
