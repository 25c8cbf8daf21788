"""Hears, over a connection of its own, that other processes have committed.

It is a hint and nothing more: what was not heard is read a moment later all the same. So nothing
here raises, and a connection that was lost is opened again when there is time for it.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from typing import TYPE_CHECKING, Final

import psycopg

from counterfoil.stores.postgres_connection import CONNECTED_WITHIN, Connection, connect

if TYPE_CHECKING:
    from collections.abc import Container

CHANNEL: Final = "counterfoil_feed"
REST: Final = 1.0  # seconds between two tries to connect
_LISTEN: Final = f"LISTEN {CHANNEL}"


class Listener:
    """own: this process's backends, of which nothing new is heard."""

    def __init__(self, address: str, own: Container[int]) -> None:
        self._address = address
        self._own = own
        self._heard = 0
        self._connection: Connection | None = None
        self._schema = b""
        self._tried_at = float("-inf")
        self._using = threading.Lock()
        self._closed = False

    def heard(self) -> int:
        """How often others have committed, as far as is known without waiting."""
        if self._using.acquire(blocking=False):
            try:
                self._collect()
            finally:
                self._using.release()
        return self._heard

    def wait(self, seconds: float) -> bool:
        """Until somebody has, or for so long."""
        before = self._heard
        with self._using:
            connection = self._opened()
            if connection is not None and seconds > 0:
                with contextlib.suppress(OSError, ValueError):  # it is closed meanwhile
                    select.select([connection.fileno()], [], [], seconds)
                self._collect()
        if connection is None:
            time.sleep(max(0.0, min(seconds, 0.05)))
        return self._heard != before

    def close(self) -> None:
        self._closed = True
        with self._using:
            self._drop()

    def _collect(self) -> None:
        """Takes in what has arrived."""
        if self._connection is None:
            return
        try:
            self._connection.pgconn.consume_input()
            while (notify := self._connection.pgconn.notifies()) is not None:
                if notify.be_pid not in self._own and notify.extra == self._schema:
                    self._heard += 1
        except psycopg.Error:
            self._drop()
            self._heard += 1  # whatever was said meanwhile

    def _opened(self) -> Connection | None:
        now = time.monotonic()
        if self._connection is None and not self._closed and now - self._tried_at > REST:
            self._tried_at = now
            with contextlib.suppress(psycopg.Error):
                connection = connect(self._address)
                connection.allow(CONNECTED_WITHIN)
                [(schema,)] = connection.execute("SELECT current_schema()").fetchall()
                connection.execute(_LISTEN)
                self._connection, self._schema = connection, str(schema).encode()
                self._heard += 1  # whatever was said before
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
