"""One PostgreSQL database as one process sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import psycopg

from counterfoil.stores.place import Place
from counterfoil.stores.postgres_connection import (
    CommitUnknown,
    Connection,
    connect,
    undisturbed,
)
from counterfoil.stores.postgres_line import PostgresLine
from counterfoil.stores.postgres_listener import Listener
from counterfoil.stores.postgres_look_ups import MOST_AT_ONCE, look_up_all
from counterfoil.stores.postgres_words import said_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.stores.lanes import Perform

T = TypeVar("T")


class Database(Place):
    """The database at an address, reached over a few connections."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def open(self) -> Connection:
        """A connection for a lane. Raises `psycopg.Error`."""
        connection = connect(self._address)
        self._own.add(connection.info.backend_pid)
        return connection

    def patiently(self, work: Callable[[Connection], T]) -> T:
        """Does it on a connection of its own, in the calling thread, however long it takes."""
        try:
            with connect(self._address, patient=True) as connection:
                self._own.add(connection.info.backend_pid)
                connection.deadline = float("inf")
                return undisturbed(lambda: work(connection))
        except (psycopg.Error, CommitUnknown) as why:
            raise self.unavailable(why) from why

    def line(self) -> PostgresLine:
        return PostgresLine(self)

    def listener(self) -> Listener:
        self._own: set[int] = set()  # backends, whose notifications are no news
        return Listener(self._address, self._own)

    def look_ups(self) -> tuple[Perform, int]:
        return look_up_all, MOST_AT_ONCE

    def said_of(self, why: BaseException) -> str:
        if isinstance(why, CommitUnknown):
            return "PostgreSQL did not say whether it has committed."
        return said_of(why)
