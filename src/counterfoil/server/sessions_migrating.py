"""Moves the sessions that a server keeps in SQL to Redis, while servers go on with them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from counterfoil.errors import StoreUnavailable
from counterfoil.server.migrating import FEW, LOCKED_WITHIN, TRIES, Moved, Progress
from counterfoil.server.sessions_sources import NOTED, PAGE, Busy, Source, source_of
from counterfoil.status_change import Position, StatusChange
from counterfoil.stores.durability import Durability
from counterfoil.stores.redis.arriving import Arrivals
from counterfoil.stores.statements.records import (
    EVENT,
    LARGEST,
    LIST,
    SESSION,
    SUBJECT,
    event_of,
    list_of,
    session_of,
    subject_of,
)
from counterfoil.subject import ClientState

_COLUMNS: Final = {
    "cf_sessions": SESSION,
    "cf_subjects": f"subject, {SUBJECT}",
    "cf_clients": "client_id, version",
}
_GROWING: Final = {
    "cf_changes": "number, list_id, position, status",
    "cf_events": f"number, {EVENT}",
}


def move_sessions(
    database: Path, shared: str, address: str, *, durability: Durability, progress: Progress
) -> Moved:
    """Moves them from the shared store of an address, or from the file without one.

    progress: called with the rows copied so far. Raises `ConfigurationError` where there is
    something at the address already, and `StoreUnavailable`.
    """
    with source_of(database, shared) as source:
        arrivals = Arrivals(address, durability)
        try:
            with source.noting():
                return _Move(source, arrivals, progress).run(address)
        finally:
            arrivals.place.close()


class _Move:
    def __init__(self, source: Source, target: Arrivals, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._copied = 0
        self._reached = dict.fromkeys(_GROWING, 0)

    def run(self, address: str) -> Moved:
        for table in NOTED:
            columns = _COLUMNS[table.name]
            for rows in self._pages(table.name, columns, table.key):
                self._put(table.name, rows)
        self._follow(self._source.settled())
        for _ in range(TRIES):
            while self._catch_up() > FEW:
                self._follow(self._source.settled())
            locked = self._switch(address)
            if locked is not None:
                return Moved(self._copied, locked)
        raise StoreUnavailable(
            "Too much changes here to be copied within the 2 s for which others may wait, or"
            " somebody reads at length, such as pg_dump; nothing was moved. Try again when less is"
            " going on."
        )

    def _switch(self, address: str) -> float | None:
        """The moment in which nobody writes: its seconds, or None where it would be too long."""
        began = time.monotonic()
        try:
            with self._source.leaving(address):
                began = time.monotonic()
                self._catch_up()
                self._follow(None)
                self._arrive(by=began + LOCKED_WITHIN)
        except Busy:
            self._target.not_yet()
            return None
        except BaseException:
            self._target.not_yet()
            raise
        return time.monotonic() - began

    def _arrive(self, *, by: float) -> None:
        """The lists, and where the feed stands. It is a store from then on; until the tables have
        lost their names nobody looks there. Raises `Busy` where that comes too late."""
        lists = self._source.all(f"SELECT number, given, {LIST} FROM cf_lists ORDER BY number")
        self._target.lists([(row[0], list_of(row[2:]), row[1]) for row in lists])
        [(epoch, number, directory)] = self._source.all(
            "SELECT epoch, number, directory FROM cf_feed"
        )
        self._target.end(
            Position(epoch, number), directory=directory, trail=self._reached["cf_events"]
        )
        if time.monotonic() > by:
            raise Busy

    def _catch_up(self) -> int:
        """Copies again what has changed; how much that was."""
        noted = self._source.noted()
        for table in NOTED:
            keys = list({key for place, key in noted if place == table.name})
            for start in range(0, len(keys), PAGE):
                some = keys[start : start + PAGE]
                marks = ", ".join("?" * len(some))
                sql = (
                    f"SELECT {_COLUMNS[table.name]} FROM {table.name}"
                    f" WHERE {table.key} IN ({marks})"
                )
                self._put(table.name, self._source.all(sql, some))
        return len(noted)

    def _follow(self, settled: dict[str, int] | None) -> None:
        """Copies what has been added to what only grows, up to numbers below which nothing will be
        added any more; None while nobody writes."""
        for name, columns in _GROWING.items():
            up_to = LARGEST if settled is None else settled[name]
            pages = self._pages(name, columns, "number", above=self._reached[name], up_to=up_to)
            for rows in pages:
                self._put(name, rows)
                self._reached[name] = rows[-1][0]

    def _pages(
        self, name: str, columns: str, key: str, *, above: Any = None, up_to: int | None = None
    ) -> Iterator[list[Any]]:
        place = columns.split(", ").index(key)
        while True:
            where, values = ("", []) if above is None else (f"WHERE {key} > ?", [above])
            if up_to is not None:
                where, values = f"{where} AND {key} <= ?", [*values, up_to]
            sql = f"SELECT {columns} FROM {name} {where} ORDER BY {key} LIMIT {PAGE}"
            rows = self._source.all(sql, values)
            if not rows:
                return
            yield rows
            above = rows[-1][place]

    def _put(self, name: str, rows: Sequence[Any]) -> None:
        target = self._target
        if name == "cf_sessions":
            target.records([session_of(row) for row in rows], [])
        elif name == "cf_subjects":
            target.records([], [subject_of(row[0], row[1:]) for row in rows])
        elif name == "cf_clients":
            target.clients([ClientState(client_id=row[0], version=row[1]) for row in rows])
        elif name == "cf_changes":
            target.changes([(row[0], StatusChange(*row[1:])) for row in rows])
        else:
            target.events([(row[0], event_of(row[1:])) for row in rows])
        self._copied += len(rows)
        self._progress(self._copied)
