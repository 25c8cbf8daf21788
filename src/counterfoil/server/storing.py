"""Where a server keeps its sessions and its keys, as its settings say."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.server.moving import Home, MovableKeys, MovableStore, moved_to
from counterfoil.server.sessions_moving import (
    MovableSessions,
    SessionsHome,
    sessions_moved_from,
    sessions_moved_to,
)
from counterfoil.server.settings import Settings
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.stores.sqlite_copies import opened as opened_file

if TYPE_CHECKING:
    from counterfoil.stores.postgres import PostgresStore
    from counterfoil.stores.redis.store import RedisStore
    from counterfoil.stores.sealed_keys import SealedKeys

ServerStore: TypeAlias = "MovableStore | PostgresStore"
Sessions: TypeAlias = "MovableSessions | RedisStore"
ServerKeys: TypeAlias = "MovableKeys | SealedKeys"
_SEAL: Final = "seal"


class Stores(NamedTuple):
    """What a server keeps: tables, sessions, which may lie apart from them, and keys."""

    tables: ServerStore
    sessions: Sessions
    keys: ServerKeys


def opened(settings: Settings) -> Stores:
    """All of it. Raises `ConfigurationError`, and `StoreUnavailable`."""
    tables, keys = _tables(settings)
    rows = tables.blocking().rows
    if address := settings.sessions_address or sessions_moved_to(rows):
        return Stores(tables, sessions_at(settings, address), keys)
    home = SessionsHome(tables, rows, lambda address: sessions_at(settings, address))
    return Stores(tables, MovableSessions(home), keys)


def sessions_address_of(settings: Settings) -> str:
    """The URL of where sessions are kept apart from all else, as set or as they have moved; else
    empty. Raises `ConfigurationError`, and `StoreUnavailable`."""
    if settings.sessions_address:
        return settings.sessions_address
    if not address_of(settings):
        with opened_file(settings.database) as connection:
            return sessions_moved_from(connection)
    store, _ = opened_at(settings, address_of(settings))
    try:
        return sessions_moved_to(store.blocking().rows)
    finally:
        drive(store.blocking().close())


def sessions_at(settings: Settings, address: str) -> RedisStore:
    """Sessions apart from all else. Raises `ConfigurationError`, and `StoreUnavailable`."""
    try:
        from counterfoil.stores.redis.store import RedisStore
    except ImportError:
        raise ConfigurationError("Install counterfoil[redis] for these --sessions.") from None
    return RedisStore(address, durability=settings.durability)


def _tables(settings: Settings) -> tuple[ServerStore, ServerKeys]:
    if address := address_of(settings):
        return opened_at(settings, address)
    store = MovableStore(Home(settings, SqliteStore(settings.database), opened_at))
    return store, store.default_keys()


def address_of(settings: Settings) -> str:
    """The URL of the store that is shared, as set, or as what was here has moved there; empty for
    SQLite in the data folder."""
    return settings.store_address or moved_to(settings.database)


def opened_at(settings: Settings, address: str) -> tuple[PostgresStore, SealedKeys]:
    """The shared store at an address, with its keys. Raises `ConfigurationError`, and
    `StoreUnavailable`."""
    try:
        from counterfoil.stores.postgres import PostgresStore
    except ImportError:
        raise ConfigurationError("Install counterfoil[postgres] for this --store.") from None
    _make(settings.data)
    shared = PostgresStore(address, durability=settings.durability)
    return shared, shared.sealed_keys(secret_file=seal_of(settings), folder=settings.data / "keys")


def seal_of(settings: Settings, *, makes: bool = False) -> Path:
    """The file of the secret that every node has. makes: one in the data folder, if none is set;
    for development, and for who moves. Raises `ConfigurationError`."""
    return settings.secret_file or _own_seal(settings, makes=makes or settings.dev)


def _make(folder: Path) -> None:
    """Each node has a folder of its own, for what it notes itself."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise ConfigurationError(f"Make {folder} writable: {why.strerror}.") from None


def _own_seal(settings: Settings, *, makes: bool) -> Path:
    place = settings.data / _SEAL
    if place.exists():
        return place
    if not makes:
        raise ConfigurationError(
            "Set COUNTERFOIL_SECRET_FILE to a file that every node has a copy of: keys are kept in"
            " the database, sealed under what it says. `openssl rand -base64 32` makes one."
        )
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return place
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    return place
