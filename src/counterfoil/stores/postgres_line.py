"""One thread's connection to PostgreSQL, and what is tried again on it."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import psycopg

from counterfoil.stores.lanes import NoAnswer
from counterfoil.stores.postgres_connection import (
    CONFLICTS,
    PATIENCE,
    CommitUnknown,
    is_conflict,
    is_late,
    is_to_be_left,
    is_unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from counterfoil.stores.lanes import Perform
    from counterfoil.stores.postgres_connection import Connection
    from counterfoil.stores.postgres_database import Database
    from counterfoil.stores.waiting import Waiter


class PostgresLine:
    """One thread's connection, opened when it is needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def perform(self, perform: Perform, jobs: Sequence[Waiter]) -> BaseException | None:
        """Does them. Answers what kept it from doing so.

        A connection may have been lost since it was last used. Nothing is lost with it, since
        nothing was committed, so it is done again on a new one, once.
        """
        conflicts = 0
        while True:
            was_open = self._connection is not None
            try:
                connection = self._opened()
            except psycopg.Error as why:
                return self._no_answer(why)
            try:
                connection.allow(PATIENCE + 1)
                perform(connection, jobs)
            except CommitUnknown as why:
                self.drop()
                return self._database.unavailable(why)
            except psycopg.Error as why:
                if is_conflict(why) and conflicts < CONFLICTS:
                    conflicts += 1
                    time.sleep(random.uniform(0, 0.001) * 2**conflicts)  # noqa: S311 - no secret
                    continue
                if not is_unavailable(why):
                    return why
                is_lost = connection.is_lost
                if is_lost or is_to_be_left(why):
                    self.drop()
                    if was_open and not is_late(why):
                        continue
                return self._no_answer(why) if is_lost else self._database.unavailable(why)
            except BaseException as why:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                return why
            return None

    def drop(self) -> None:
        """Closes the connection; the next job opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.open()
        return self._connection

    def _no_answer(self, why: BaseException) -> NoAnswer:
        said = self._database.unavailable(why)
        return NoAnswer(said.detail, retry_after=said.retry_after)
