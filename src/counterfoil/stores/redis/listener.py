"""Hears what other processes publish when they have committed to Redis."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

from redis import RedisError

from counterfoil.stores.listening import Listening
from counterfoil.stores.redis.servers import HEARD_WITHIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from counterfoil.stores.redis.address import Address
    from counterfoil.stores.redis.servers import Servers


class Listener(Listening):
    """name: what this process says when it commits, which is no news to it. What is published in a
    cluster is heard at each of its servers."""

    def __init__(self, address: Address, servers: Servers, prefixes: Sequence[str]) -> None:
        super().__init__()
        self.name = secrets.token_hex(8)
        self._address = address
        self._servers = servers
        self._channels = [f"counterfoil:{prefix}" for prefix in prefixes]
        self._connection: Any = None  # of the driver; its own PubSub connects anew unasked

    @property
    def _is_open(self) -> bool:
        return self._connection is not None

    def _open(self) -> None:
        where = next(iter(self._servers.that_answer()), None)
        if where is None:
            return
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

    def _collect(self, seconds: float) -> bool:
        try:
            while self._connection.can_read(seconds):
                kind, _, said = self._connection.read_response()
                if kind == b"message" and said == self.name.encode():
                    return True  # ours, which has been counted
                if kind == b"message":
                    self._news += 1
                    seconds = 0
        except (RedisError, OSError, ValueError):  # it may be closed meanwhile
            return False
        return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()
