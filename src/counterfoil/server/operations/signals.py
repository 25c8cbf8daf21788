"""What a running server does when it is told: SIGTERM and SIGINT stop it, SIGHUP has it read the
key files again.

Stopping is in order: `/readyz` turns 503 at once, for `drain` everything is answered as before so
that a load balancer can take notice, then nothing new is accepted and what is under way is
finished. A second signal waits for nothing; what was acknowledged is on the disk all the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from counterfoil.server.operations.readiness import Readiness
    from counterfoil.server.storing import ServerKeys

_log = logging.getLogger("counterfoil.server")


class SignalledServer(uvicorn.Server):
    """uvicorn's server, told what signals mean here. ready: called once requests are answered."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        ready: Callable[[], None],
        readiness: Readiness,
        keys: ServerKeys,
        drain: timedelta,
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._readiness = readiness
        self._keys = keys
        self._drain = drain.total_seconds()
        self._close_at = float("inf")
        self._is_told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        if threading.current_thread() is threading.main_thread():
            self.listen()
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del frame
        self._captured_signals.append(sig)
        if self._readiness.is_draining:
            self.stop_at_once()
        else:
            self.stop(sig)

    def stop(self, sig: int) -> None:
        """In order: at SIGTERM after the drain; at any other signal somebody at a terminal waits
        for nobody to take notice."""
        wait = self._drain if sig == signal.SIGTERM else 0.0
        self._close_at = min(self._close_at, time.monotonic() + wait)
        self._readiness.drain()

    def stop_at_once(self) -> None:
        self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._readiness.is_draining and not self._is_told:
            self._is_told = True  # here and not in the handler, which may have cut in on a line
            _log.info("stopping")
        if time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._readiness.drained()
        await super().shutdown(sockets)

    def listen(self) -> None:
        """Hears SIGHUP from now on."""
        meant = meaning_of_hang_ups()

        def hung_up() -> None:
            if meant() == signal.SIGHUP:
                self.reload()
            else:
                self.handle_exit(signal.SIGINT, None)

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)

    def reload(self) -> None:
        """Reads the key files again."""
        try:
            self._keys.reload()
        except ConfigurationError as why:
            _log.error("keys_not_reloaded", extra={"members": {"detail": why.detail}})
        else:
            _log.info("keys_reloaded")


def meaning_of_hang_ups() -> Callable[[], signal.Signals]:
    """What says of a SIGHUP whether it asks for the keys anew (SIGHUP), or tells that the terminal
    was closed (SIGINT): whoever was started there ends with it, unless SIGHUP was ignored from the
    start (nohup)."""
    ends_with_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN

    def meant() -> signal.Signals:
        is_closed = ends_with_terminal and not _has_terminal()
        return signal.SIGINT if is_closed else signal.SIGHUP

    return meant


def _has_terminal() -> bool:
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    return False
