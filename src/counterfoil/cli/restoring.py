"""Putting a copy back: it is made ready beside the database, and takes its place in one step."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final

from counterfoil.cli.data import alone_in
from counterfoil.cli.holdings import Holdings, holdings
from counterfoil.cli.output import say
from counterfoil.cli.progress import counting
from counterfoil.client import Client
from counterfoil.errors import ConfigurationError
from counterfoil.server.composition import TABLES
from counterfoil.server.settings import Settings
from counterfoil.server.tables.clients import ClientRows
from counterfoil.status_change import Position
from counterfoil.stores.key_files import KeyFiles
from counterfoil.stores.migrations import migrate
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.stores.sqlite_copies import (
    Unusable,
    copy_in,
    copy_out,
    is_held,
    require_sound,
)
from counterfoil.stores.sqlite_file import make_durable

LOGS: Final = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Declared:
    """A restore that was declared: how many sessions were live, and where it goes on."""

    ended: int
    position: Position
    clients: list[Client]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back. former: the database that was there before, kept."""

    file: Path
    held: Holdings
    declared: Declared
    former: Path | None


async def put_back(file: Path, settings: Settings, *, now: datetime) -> Restored:
    """Puts a copy in the place of the database, with every session ended.

    Servers that run go on with it. Interrupted or refused, it has changed nothing. Raises
    `ConfigurationError` for a file that is no sound copy, and `StoreUnavailable`.
    """
    database = settings.database
    _require_copy(file, database)
    with alone_in(settings.data):
        fresh = _beside(database, ".restoring")
        try:
            say(f"Looking through {file}.")
            _take(file, fresh)
            require_sound(fresh)
            held = holdings(fresh, now=now)
            declared = await _declare(fresh, settings, now=now)
            former = _exchange(fresh, database, now=now)
        finally:
            _remove(fresh)
        # Now, and not before: a server on the former database would take it for an old copy.
        _keys(settings).reach(declared.position)
    return Restored(file, held, declared, former)


def _keys(settings: Settings) -> KeyFiles:
    return KeyFiles(settings.data / "keys")


def _require_copy(file: Path, database: Path) -> None:
    if not file.is_file():
        raise ConfigurationError(f"There is no file {file} to restore from.")
    if database.exists() and file.samefile(database):
        raise ConfigurationError("Name a copy: this is the database itself. Or use --declare.")
    if is_held(file):
        raise ConfigurationError(f"{file} is in use: make a copy of it with `counterfoil backup`.")


def _take(file: Path, fresh: Path) -> None:
    """A copy of the copy, to be changed; with its log, if somebody copied that too."""
    _remove(fresh)
    for suffix in ("", "-wal"):
        source, target = _beside(file, suffix), _beside(fresh, suffix)
        if not source.exists():
            continue
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            shutil.copyfile(source, target)
        except OSError as why:
            raise ConfigurationError(f"Cannot copy {source}: {why.strerror}.") from None


async def _declare(fresh: Path, settings: Settings, *, now: datetime) -> Declared:
    store = SqliteStore(fresh)
    try:
        await migrate(store.rows, component="server", package=TABLES)
        clients = await ClientRows(store.rows, settings.lifetime).clients()
        with counting("Ending all sessions", "ended", whole=True) as progress:
            ended = await store.begin_epoch(
                now=now, reached=_keys(settings).reach, progress=progress
            )
        position = (await store.feed(None, now=now)).position
        return Declared(ended, position, list(clients.values()))
    finally:
        await store.close()


def _exchange(fresh: Path, database: Path, *, now: datetime) -> Path | None:
    """Has the database be the fresh one, and returns where the former is kept."""
    former = _free(_beside(database, f".before-{now:%Y%m%dT%H%M%SZ}"))
    if not database.exists():
        return _rename(fresh, database, former)
    try:
        with counting("Keeping the former database", "pages", whole=True) as progress:
            copy_out(database, former, made_at=now, progress=progress)
        with counting("Putting the copy in its place", "pages", whole=True) as progress:
            copy_in(fresh, database, progress=progress)
    except Unusable as why:
        if is_held(database):
            raise ConfigurationError(
                f"Stop the server first: what is there cannot be exchanged beside it. {why.detail}"
            ) from None
        return _rename(fresh, database, former)
    return former


def _rename(fresh: Path, database: Path, former: Path) -> Path | None:
    """Where there is no database that could take it. A log that is left beside belongs to what is
    gone: SQLite would apply it to the copy."""
    former.unlink(missing_ok=True)
    for suffix in ("", *LOGS):
        if _beside(database, suffix).exists():
            _beside(database, suffix).replace(_beside(former, suffix))
    fresh.replace(database)
    make_durable(database.parent)
    return former if former.exists() else None


def _remove(fresh: Path) -> None:
    for suffix in ("", *LOGS):
        _beside(fresh, suffix).unlink(missing_ok=True)


def _free(path: Path) -> Path:
    """The name, or the next that is free: two may be put back within a second."""
    names = (path if number == 1 else _beside(path, f"-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
