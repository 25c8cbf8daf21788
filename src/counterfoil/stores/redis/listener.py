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

from counterfoil.stores.redis.servers import HEARD_WITHIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from counterfoil.stores.redis.address import Address, Where
    from counterfoil.stores.redis.servers import Servers

REST: Final = 1.0  # seconds between two tries to connect


class Listener:
    """name: what this process says when it commits, which is no news to it. What is published in a
    cluster is heard at each of its servers."""

    def __init__(self, address: Address, servers: Servers, prefixes: Sequence[str]) -> None:
        self.name = secrets.token_hex(8)
        self._address = address
        self._servers = servers
        self._channels = [f"counterfoil:{prefix}" for prefix in prefixes]
        self._heard = 0
        self._connection: Any = None  # of the driver; its own PubSub connects anew unasked
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
        if self._connection is None:
            return
        try:
            while self._connection.can_read(seconds):
                kind, _, said = self._connection.read_response()
                if kind == b"message" and said == self.name.encode():
                    return  # ours, which has been counted
                if kind == b"message":
                    self._heard += 1
                    seconds = 0
        except (RedisError, OSError, ValueError):  # it may be closed meanwhile
            self._drop()
            self._heard += 1  # whatever was said meanwhile

    def _opened(self) -> bool:
        now = time.monotonic()
        if self._connection is None and not self._closed and now - self._tried_at > REST:
            self._tried_at = now
            for where in self._servers.that_answer():
                self._listen_at(where)
                break
        return self._connection is not None

    def _listen_at(self, where: Where) -> None:
        client = self._address.client(where, self._servers.layout, patience=HEARD_WITHIN)
        connection = client.connection_pool.make_connection()
        try:
            connection.connect()
            connection.send_command("SUBSCRIBE", *self._channels)
            for _ in self._channels:
                connection.read_response()
        except RedisError:
            connection.disconnect()
            return
        self._connection = connection
        self._heard += 1  # whatever was said before

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()
