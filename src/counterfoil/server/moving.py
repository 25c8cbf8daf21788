"""A server on SQLite goes on where `counterfoil store migrate` has moved its tables, unasked.

Moved tables are there no more under their names, so that nothing can be read or written which is
out of date: whoever tries finds that out, opens the other store, and does it there.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from counterfoil.errors import StoreUnavailable
from counterfoil.handle import HandleSecrets
from counterfoil.keys import PublicKeySet, SigningKeySet
from counterfoil.server.settings import Settings
from counterfoil.status_change import Position
from counterfoil.stores.key_files import KeyFiles
from counterfoil.stores.rows import Reading, Row, Rows, Transaction, Values
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.stores.sqlite_copies import opened
from counterfoil.stores.statements.store import RowsStore

if TYPE_CHECKING:
    from counterfoil.stores.postgres import PostgresStore
    from counterfoil.stores.sealed_keys import SealedKeys

T = TypeVar("T")
MARK: Final = "cf_moved"  # a table that says where the others of a database have moved
_MARKED: Final = "SELECT count(*) FROM sqlite_master WHERE name = ?"
_log = logging.getLogger("counterfoil.server")


def moved_to(database: Path) -> str:
    """The address to which a database's tables have moved; empty where they have not. It is opened
    where somebody has begun to move them, and not otherwise."""
    if not begun(database).exists() or not database.is_file():
        return ""
    with opened(database) as connection:
        if connection.execute(_MARKED, (MARK,)).fetchone() == (0,):
            return ""
        [(address,)] = connection.execute(f"SELECT address FROM {MARK}")
        return str(address)


def begun(database: Path) -> Path:
    """The file beside it that is there from the moment when a move begins."""
    return database.with_name(f"{database.name}-moving")


class Home:
    """Where this process keeps things now. open_other: opens the store to which they have moved."""

    def __init__(
        self,
        settings: Settings,
        store: SqliteStore,
        open_other: Callable[[Settings, str], tuple[PostgresStore, SealedKeys]],
    ) -> None:
        self._settings = settings
        self._open_other = open_other
        self._moving = threading.Lock()
        self.first = store
        self.store: SqliteStore | PostgresStore = store
        self.keys: KeyFiles | SealedKeys = store.default_keys()
        self.faces = faces_of(store)

    def has_moved(self, since: Rows) -> bool:
        """Whether what could not be done by these rows can be done by others now. Raises
        `StoreUnavailable` where the other store cannot be opened."""
        with self._moving:
            if since not in self.faces:
                return True
            address = moved_to(self.first.path) if self.store is self.first else ""
            if not address:
                return False
            self.store, self.keys = self._open_other(self._settings, address)
            self.faces = faces_of(self.store)
        _log.warning("The store was moved: going on with the other one.")
        return True


class Faces(NamedTuple):
    """The rows of a store, for threads and for event loops. Made once: they are asked for with each
    read."""

    blocking: Rows
    suspending: Rows


def faces_of(store: SqliteStore | PostgresStore) -> Faces:
    return Faces(store.blocking().rows, store.rows)


class MovableRows:
    """The rows of a home. suspends: as the face that is asked for."""

    def __init__(self, home: Home, *, suspends: bool) -> None:
        self._home = home
        self.suspends = suspends

    @property
    def database(self) -> Any:
        return self._home.store.rows.database

    @property
    def dialect(self) -> str:
        return self._now.dialect

    @property
    def waits_aside(self) -> bool:
        return self.suspends and self._home.store.waits_aside

    async def aside(self, step: Callable[[], T]) -> T:
        return await self._now.aside(step)

    def hint(self) -> object:
        rows = self._now
        try:
            return rows.dialect, rows.hint()
        except StoreUnavailable:
            if not self._home.has_moved(rows):
                raise
        return self.hint()

    def wait(self, hint: object, seconds: float) -> bool:
        return self._now.wait(hint, seconds)

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        return await self._there(lambda rows: rows.one(sql, values))

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        return await self._there(lambda rows: rows.all(sql, values))

    async def snapshot(self, body: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        return await self._there(lambda rows: rows.snapshot(body))

    async def transaction(
        self,
        body: Callable[[Transaction], Coroutine[Any, Any, T]],
        *,
        durable: bool = True,
        patient: bool = False,
    ) -> T:
        return await self._there(
            lambda rows: rows.transaction(body, durable=durable, patient=patient)
        )

    async def _there(self, ask: Callable[[Rows], Coroutine[Any, Any, T]]) -> T:
        """Where the tables are. Nothing was done where they are not."""
        rows = self._now
        try:
            return await ask(rows)
        except StoreUnavailable:
            if not await self._has_moved(rows):
                raise
        return await ask(self._now)

    async def _has_moved(self, since: Rows) -> bool:
        if not self.suspends:
            return self._home.has_moved(since)
        return await asyncio.to_thread(self._home.has_moved, since)

    @property
    def _now(self) -> Rows:
        faces = self._home.faces
        return faces.suspending if self.suspends else faces.blocking


class MovableStore(RowsStore):
    """The store of a home."""

    rows: MovableRows

    def __init__(self, home: Home, *, suspends: bool = True) -> None:
        super().__init__(MovableRows(home, suspends=suspends))
        self._home = home

    def blocking(self) -> MovableStore:
        return MovableStore(self._home, suspends=False) if self.suspends else self

    def default_keys(self) -> MovableKeys:
        return MovableKeys(self._home)

    async def close(self) -> None:
        for store in {self._home.first, self._home.store}:
            await store.close()


class MovableKeys:
    """The keys of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def signing_keys(self) -> SigningKeySet:
        return self._home.keys.signing_keys()

    def public_keys(self) -> PublicKeySet:
        return self._home.keys.public_keys()

    def handle_secrets(self) -> HandleSecrets:
        return self._home.keys.handle_secrets()

    def update(self, change: Callable[[SigningKeySet], SigningKeySet]) -> SigningKeySet:
        self._home.has_moved(
            self._home.faces.blocking
        )  # or it would be changed where nobody looks any more
        return self._home.keys.update(change)

    def refresh(self) -> None:
        self._home.keys.refresh()

    def reach(self, position: Position) -> Position:
        return self._home.keys.reach(position)

    def reload(self) -> None:
        self._home.keys.reload()

    def age(self) -> float:
        return self._home.keys.age()
