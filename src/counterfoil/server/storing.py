"""Where a server keeps its sessions and its keys, as its settings say."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from counterfoil.errors import ConfigurationError
from counterfoil.server.settings import Settings
from counterfoil.stores.key_files import KeyFiles
from counterfoil.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from counterfoil.stores.postgres import PostgresStore
    from counterfoil.stores.sealed_keys import SealedKeys

ServerStore: TypeAlias = "SqliteStore | PostgresStore"
ServerKeys: TypeAlias = "KeyFiles | SealedKeys"
_SEAL: Final = "seal"


def opened(settings: Settings) -> tuple[ServerStore, ServerKeys]:
    """The store, with its keys. Raises `ConfigurationError`, and `StoreUnavailable`."""
    address = settings.store_address
    if not address:
        store = SqliteStore(settings.database)
        return store, store.default_keys()
    try:
        from counterfoil.stores.postgres import PostgresStore
    except ImportError:
        raise ConfigurationError("Install counterfoil[postgres] for this --store.") from None
    _make(settings.data)
    secret_file = settings.secret_file or _development_secret(settings)
    shared = PostgresStore(address, durability=settings.durability)
    return shared, shared.sealed_keys(secret_file=secret_file, folder=settings.data / "keys")


def _make(folder: Path) -> None:
    """Each node has a folder of its own, for what it notes itself."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise ConfigurationError(f"Make {folder} writable: {why.strerror}.") from None


def _development_secret(settings: Settings) -> Path:
    place = settings.data / _SEAL
    if place.exists():
        return place
    if not settings.dev:
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
