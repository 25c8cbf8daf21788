"""Hears, over a connection of its own, that other processes have committed.

It is a hint and nothing more: what was not heard is read a moment later all the same. So nothing
here raises, and a connection that was lost is opened again when there is time for it.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from redis import RedisError

from counterfoil.stores.redis.address import any_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.client import PubSub

    from counterfoil.stores.redis.address import Address, Client

REST: Final = 1.0  # seconds between two tries to connect


class Listener:
    """name: what this process says when it commits, which is no news to it."""

    def __init__(self, address: Address, prefixes: Sequence[str]) -> None:
        self.name = secrets.token_hex(8)
        self._address = address
        self._channels = [f"counterfoil:{prefix}" for prefix in prefixes]
        self._heard = 0
        self._client: Client | None = None
        self._heard_by: PubSub | None = None
        self._tried_at = float("-inf")
        self._using = threading.Lock()
        self._closed = False

    def heard(self) -> int:
        """How often others have committed, as far as is known without waiting."""
        if self._using.acquire(blocking=False):
            try:
                self._collect(0)
            finally:
                self._using.release()
        return self._heard

    def wait(self, seconds: float) -> bool:
        """Until somebody has, or for so long."""
        before = self._heard
        with self._using:
            is_open = self._opened()
            if is_open:
                self._collect(max(0.0, seconds))
        if not is_open:
            time.sleep(max(0.0, min(seconds, 0.05)))
        return self._heard != before

    def close(self) -> None:
        self._closed = True
        with self._using:
            self._drop()

    def _collect(self, seconds: float) -> None:
        """Takes in what has arrived, and waits for the first of it."""
        if self._heard_by is None:
            return
        try:
            message: dict[str, Any] | None
            while (message := self._heard_by.get_message(timeout=seconds)) is not None:
                if message["type"] == "message" and message["data"] != self.name.encode():
                    self._heard += 1
                    seconds = 0
                elif message["type"] == "message":
                    return  # ours, which has been counted
        except (RedisError, OSError, ValueError):  # it may be closed meanwhile
            self._drop()
            self._heard += 1  # whatever was said meanwhile

    def _opened(self) -> bool:
        now = time.monotonic()
        if self._heard_by is None and not self._closed and now - self._tried_at > REST:
            self._tried_at = now
            with contextlib.suppress(RedisError):
                self._client = self._address.connect()
                heard_by = any_node(self._client).pubsub(ignore_subscribe_messages=True)
                heard_by.subscribe(*self._channels)
                self._heard_by = heard_by
                self._heard += 1  # whatever was said before
        return self._heard_by is not None

    def _drop(self) -> None:
        heard_by, self._heard_by = self._heard_by, None
        client, self._client = self._client, None
        with contextlib.suppress(RedisError, OSError):
            if heard_by is not None:
                heard_by.close()
            if client is not None:
                client.close()
