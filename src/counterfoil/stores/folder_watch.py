"""Tells a thread that waits when somebody writes into a folder, by whatever process.

Linux tells it (inotify), and whoever waits costs nothing meanwhile; elsewhere it is looked again
after a moment. It is a hint: what the kernel did not tell is found out by looking now and then.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MOMENT: Final = 0.005  # seconds until one looks again, where nobody tells
_IN_MODIFY: Final = 0x2
_CLOEXEC_NONBLOCK: Final = os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)


class FolderWatch:
    """One thread's watch of a folder. What happened between two waits is told by the second."""

    def __init__(self, folder: Path) -> None:
        self._told = _watched(folder)

    def wait(self, seconds: float) -> bool:
        """Waits for so long. True as soon as somebody wrote; may return early without knowing."""
        if self._told is None:
            time.sleep(min(seconds, MOMENT))
            return False
        poll = select.poll()
        poll.register(self._told, select.POLLIN)
        if not poll.poll(max(1, round(seconds * 1000))):
            return False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._told, 65536):
                pass
        return True

    def __del__(self) -> None:
        if self._told is not None:
            os.close(self._told)


def _watched(folder: Path) -> int | None:
    """A descriptor that can be read once somebody has written; None where that is not to be had."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    told: int = libc.inotify_init1(_CLOEXEC_NONBLOCK)
    if told < 0:  # as many as one user may have
        return None
    if libc.inotify_add_watch(told, os.fsencode(folder), ctypes.c_uint32(_IN_MODIFY)) < 0:
        os.close(told)
        return None
    return told
