"""The folder where workers count: there while they are, and removed in any case."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Final

from counterfoil.errors import ConfigurationError

PREFIX: Final = "counterfoil-counts-"
JUST_MADE: Final = 60.0  # seconds in which nobody may have locked it yet


@contextmanager
def counts_folder() -> Iterator[Path]:
    """A new one, locked for as long as this process or one forked from it lives. Those that were
    left behind, where all were killed at once, are removed. Raises `ConfigurationError`."""
    try:
        for place in Path(gettempdir()).glob(PREFIX + "*"):
            with suppress(OSError):
                _remove_if_left(place)
        made = TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
    except OSError:
        raise ConfigurationError("Set TMPDIR to a folder where workers can count.") from None
    with made as name:
        descriptor = os.open(name, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # systemd-tmpfiles goes by it, too
        yield Path(name)
        os.close(descriptor)


def _remove_if_left(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if status.st_uid == os.geteuid() and time.time() - status.st_mtime > JUST_MADE:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place)
    finally:
        os.close(descriptor)
