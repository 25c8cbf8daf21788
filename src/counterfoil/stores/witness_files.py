"""How far a store is known to have come, in a small file of the keys' folder.

It lies with the keys because whoever puts a database back from a copy has no reason to put the
keys back too. A number is written into its place under a lock, and is not synced: it survives the
death of every process, and a power cut may take the last second's. So it is at most as far as the
store, never further. A new epoch is rare, and synced.
"""

from __future__ import annotations

import fcntl
import os
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from counterfoil.errors import StoreUnavailable
from counterfoil.status_change import Position

if TYPE_CHECKING:
    from pathlib import Path

LIMIT: Final = 4096
_LINE: Final = re.compile(rb"(\d{20}) ([!-~]+)\n")


class WitnessFiles:
    """`witness-NAME` for each store, made on first use. Used by any number of processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reach(self, position: Position) -> Position:
        """Notes that a store has come to this position; answers the furthest that was noted.

        Raises `StoreUnavailable` for a file that cannot be read or written, naming it.
        """
        path = self._place(position.store)
        try:
            if _noted(path) == position:
                return position
            return self._note(path, position)
        except OSError as why:
            raise StoreUnavailable(f"Make {path} readable and writable: {why.strerror}.") from None

    def noted(self, store: str) -> Position | None:
        """How far it is known to have come, for whoever only looks; None where nobody noted it, or
        what was noted cannot be read."""
        try:
            return _noted(self._place(store))
        except OSError:
            return None

    def _place(self, store: str) -> Path:
        return self._folder / f"witness-{quote(store, safe='')}"

    def _note(self, path: Path, position: Position) -> Position:
        descriptor = self._open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            reached = _read(path, os.pread(descriptor, LIMIT, 0))
            if reached is not None and not reached.is_behind(position):
                return reached
            line = f"{position.number:020d} {position.epoch}\n".encode()
            os.pwrite(descriptor, line, 0)
            if reached is None or reached.epoch != position.epoch:
                os.ftruncate(descriptor, len(line))
                os.fsync(descriptor)
            return position
        finally:
            os.close(descriptor)

    def _open(self, path: Path) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, flags | os.O_CREAT, 0o600)
        if os.geteuid() == 0:  # a command that an administrator runs beside the server
            folder = self._folder.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        return descriptor


def _noted(path: Path) -> Position | None:
    """What the file says at a glance. A writer may be at it: only what agrees with one's own
    position is good without the lock."""
    try:
        with path.open("rb", buffering=0) as file:
            line = _LINE.fullmatch(file.read(LIMIT) or b"")
    except FileNotFoundError:
        return None
    return Position(line[2].decode(), int(line[1])) if line else None


def _read(path: Path, content: bytes) -> Position | None:
    """What it says. Raises `StoreUnavailable` for what is no position: somebody else wrote it."""
    if not content:
        return None
    line = _LINE.fullmatch(content)
    if line is None:
        raise StoreUnavailable(f"{path} is damaged: remove it, unless a copy was put back.")
    return Position(line[2].decode(), int(line[1]))
