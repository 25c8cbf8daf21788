"""Hears by LISTEN that other processes have committed to PostgreSQL."""

from __future__ import annotations

import contextlib
import select
from typing import TYPE_CHECKING, Final

import psycopg

from counterfoil.stores.listening import Listening
from counterfoil.stores.postgres_connection import CONNECTED_WITHIN, Connection, connect

if TYPE_CHECKING:
    from collections.abc import Container

CHANNEL: Final = "counterfoil_feed"
_LISTEN: Final = f"LISTEN {CHANNEL}"


class Listener(Listening):
    """own: this process's backends, of which nothing new is heard."""

    def __init__(self, address: str, own: Container[int]) -> None:
        super().__init__()
        self._address = address
        self._own = own
        self._connection: Connection | None = None
        self._schema = b""

    @property
    def _is_open(self) -> bool:
        return self._connection is not None

    def _open(self) -> None:
        with contextlib.suppress(psycopg.Error):
            connection = connect(self._address)
            connection.allow(CONNECTED_WITHIN)
            [(schema,)] = connection.execute("SELECT current_schema()").fetchall()
            connection.execute(_LISTEN)
            self._connection, self._schema = connection, str(schema).encode()

    def _collect(self, seconds: float) -> bool:
        connection = self._connection
        if connection is None:
            return False
        if seconds > 0:
            with contextlib.suppress(OSError, ValueError):  # it is closed meanwhile
                select.select([connection.fileno()], [], [], seconds)
        try:
            connection.pgconn.consume_input()
            while (notify := connection.pgconn.notifies()) is not None:
                if notify.be_pid not in self._own and notify.extra == self._schema:
                    self._news += 1
        except psycopg.Error:
            return False
        return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
