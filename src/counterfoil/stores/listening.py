"""Hears, over a connection of its own, that other processes have committed.

It is a hint and nothing more: what was not heard is read a moment later all the same. So nothing
here raises, and a connection that was lost is opened again when there is time for it.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import Final

REST: Final = 1.0  # seconds between two tries to connect
_PAUSE: Final = 0.05  # seconds to wait where nothing can be heard


class Listening(ABC):
    """Whoever hears by a driver: `_news` is added to with each thing that others have said."""

    def __init__(self) -> None:
        self._news = 0
        self._tried_at = float("-inf")
        self._using = threading.Lock()
        self._closed = False

    def heard(self) -> int:
        """How often others have committed, as far as is known without waiting."""
        if self._using.acquire(blocking=False):
            try:
                self._collect_if_open(0)
            finally:
                self._using.release()
        return self._news

    def wait(self, seconds: float) -> bool:
        """Until somebody has, or for so long."""
        before = self._news
        with self._using:
            self._open_if_due()
            is_open = self._is_open
            self._collect_if_open(max(0.0, seconds))
        if not is_open:
            time.sleep(max(0.0, min(seconds, _PAUSE)))
        return self._news != before

    def close(self) -> None:
        self._closed = True
        with self._using:
            self._drop()

    def _open_if_due(self) -> None:
        now = time.monotonic()
        if not self._is_open and not self._closed and now - self._tried_at > REST:
            self._tried_at = now
            self._open()
            self._news += self._is_open  # whatever was said before

    def _collect_if_open(self, seconds: float) -> None:
        if self._is_open and not self._collect(seconds):
            self._drop()
            self._news += 1  # whatever was said meanwhile

    @property
    @abstractmethod
    def _is_open(self) -> bool: ...

    @abstractmethod
    def _open(self) -> None:
        """Connects, if that can be done."""

    @abstractmethod
    def _collect(self, seconds: float) -> bool:
        """Takes in what has arrived, and waits for so long for the first of it. False where the
        connection is lost."""

    @abstractmethod
    def _drop(self) -> None:
        """Closes what is open."""
