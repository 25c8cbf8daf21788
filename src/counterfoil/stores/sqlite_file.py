"""The file of a SQLite database: made for its owner alone, and looked at whether it is still there.

Whoever moves another file to its place leaves every process that has it open with one that nobody
else sees, on which SQLite goes on reading and writing.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from counterfoil.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

OLDEST: Final = (3, 37, 0)  # the first with STRICT tables
LOOK_EVERY: Final = 0.2


class OpenedFile:
    """What was opened at a path. To be made while it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path)
        self._look_at = 0.0

    def require_same(self) -> None:
        """Raises `StoreUnavailable` where another file is at the path now, or none; the former may
        come back."""
        if _identity(self._path) != self._identity:
            raise StoreUnavailable(
                f"Another file is at {self._path} than was opened: restart what has it open."
            )

    def require_same_lately(self) -> None:
        """The same, looked up every LOOK_EVERY seconds."""
        now = time.monotonic()
        if now >= self._look_at:
            self.require_same()
            self._look_at = now + LOOK_EVERY


def create(path: Path) -> None:
    """Makes the file, mode 0600, where there is none. Raises `ConfigurationError`."""
    if path.name == ":memory:":
        raise ConfigurationError("Give SqliteStore a file, or use MemoryStore.")
    if sqlite3.sqlite_version_info < OLDEST:
        raise ConfigurationError("Use a Python with SQLite 3.37 or newer.")
    try:
        _make_folder(path.parent)
        # Only ever a new file: closing a second descriptor of one that is open here would
        # release the locks that SQLite holds on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        make_durable(path.parent)
    except FileExistsError:
        return
    except OSError as why:
        raise cannot_open(path, why) from why


def make_durable(folder: Path) -> None:
    """The names in a folder survive a power cut from now on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_open(path: Path, why: Exception) -> ConfigurationError:
    reason = str(why) if isinstance(why, sqlite3.Error) else getattr(why, "strerror", None)
    return ConfigurationError(f"Cannot keep a SQLite database at {path}: {reason}.")


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        make_durable(folder.parent)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - at each write; Path.stat takes twice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino
