"""The servers that have the shards: which has which, and whether it answers.

In a cluster one server can be gone while all others go on. One that has not answered is asked
nothing more by anybody, until a thread that does nothing else has heard from it. So nobody waits
for what is known to be gone, and it is back a moment after it is.
"""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from redis import RedisError

from counterfoil.errors import ConfigurationError, Overloaded, StoreUnavailable
from counterfoil.stores.lanes import REST
from counterfoil.stores.redis.address import kind_of, slots_of
from counterfoil.stores.redis.shards import prefixes, slot_of_prefix
from counterfoil.threads import begun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from counterfoil.stores.redis.address import Address, Layout, Where

HEARD_WITHIN: Final = 1.0  # seconds that an answer to who looks may take
_ELSEWHERE: Final = 1.0  # seconds between two questions to others who has its shards now
_UNKNOWN: Final = "Redis does not answer: nobody has this shard."
_NEW: Final = "Redis does not answer: a server has not been looked at yet."
_RETRY: Final = timedelta(seconds=1)


class Server:
    """One that takes writes, and what kept it from answering, if it does not: then a thread looks
    at it."""

    def __init__(self, where: Where, client: Redis) -> None:
        self.where = where
        self.client = client
        self.failure: StoreUnavailable | None = None
        self.is_looked_at = False


class Servers:
    """Those of one process. require_fit: raises `ConfigurationError` for a server that may lose
    what it acknowledged, which is asked nothing; each is looked at when it is new and whenever it
    has come back."""

    def __init__(
        self,
        address: Address,
        layout: Layout,
        *,
        shards: int,
        require_fit: Callable[[Redis], None],
    ) -> None:
        self._address = address
        self._require_fit = require_fit
        self._slots = [slot_of_prefix(prefix) for prefix in prefixes(shards)]
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._layout = layout
        self._asked_at = float("-inf")
        self._of_shard = [layout.of_slot(slot) for slot in self._slots]
        self._known = {
            where: Server(where, address.client(where, layout)) for where in layout.servers
        }

    @property
    def layout(self) -> Layout:
        """Where the shards are now, for who begins anew."""
        ranges = [
            (slot, slot, where)
            for slot, where in zip(self._slots, self._of_shard, strict=True)
            if where is not None
        ]
        return self._layout._replace(ranges=tuple(ranges))

    def of(self, shard: int) -> Server:
        """Raises `StoreUnavailable` where nobody has it, and where who has it does not answer."""
        where = self._of_shard[shard]
        server = None if where is None else self._known.get(where)
        if server is None:
            self._look_elsewhere()
            raise StoreUnavailable(_UNKNOWN, retry_after=_RETRY)
        if (failure := server.failure) is not None:
            self._begin_to_look(server)
            raise StoreUnavailable(failure.detail, retry_after=failure.retry_after)
        return server

    def that_answer(self) -> Iterator[Where]:
        """As far as is known."""
        for where, server in list(self._known.items()):
            if server.failure is None:
                yield where

    def look_at_all(self) -> None:
        """Raises `ConfigurationError`, and `RedisError` where none answers."""
        silent: RedisError | None = None
        answered = False
        for server in list(self._known.values()):
            try:
                self._require_fit(server.client)
                answered = True
            except RedisError as why:
                silent = why
                said = f"Redis does not answer: {kind_of(why)}."
                self.lost(server, StoreUnavailable(said, retry_after=_RETRY))
        if not answered:
            raise silent or RedisError("no server")

    def moved(self, shard: int, where: Where) -> None:
        """Who was asked says that another server has the shard."""
        new = None
        with self._lock:
            self._of_shard[shard] = where
            if where not in self._known:
                new = self._known[where] = Server(where, self._client(where))
        if new is not None:
            self.lost(new, StoreUnavailable(_NEW, retry_after=_RETRY))

    def lost(self, server: Server, failure: StoreUnavailable) -> None:
        """Nobody asks it any more, until it has answered a thread that looks."""
        with self._lock:
            if server.failure is not None or self._closed.is_set():
                return
            server.failure = failure
        self._begin_to_look(server)

    def _begin_to_look(self, server: Server) -> None:
        """If nobody does; where there is no thread for it, whoever wants the server next tries."""
        with self._lock:
            if server.is_looked_at:
                return
            server.is_looked_at = True
        try:
            begun(partial(self._look, server), name="counterfoil-store-looks")
        except Overloaded:
            server.is_looked_at = False

    def close(self) -> None:
        self._closed.set()
        for server in list(self._known.values()):
            server.client.close()

    def _look(self, server: Server) -> None:
        try:
            self._look_until_it_answers(server)
        finally:
            server.is_looked_at = False

    def _look_until_it_answers(self, server: Server) -> None:
        with self._client(server.where, patience=HEARD_WITHIN) as client:
            while not self._closed.wait(REST * random.uniform(0.5, 1.5)):  # noqa: S311 - no secret
                try:
                    client.ping()
                    self._require_fit(client)
                except RedisError:
                    self._look_elsewhere()
                    if self._is_left(server):
                        return
                except ConfigurationError as why:
                    server.failure = StoreUnavailable(why.detail, retry_after=_RETRY)
                else:
                    server.failure = None
                    return

    def _look_elsewhere(self) -> None:
        """Asks one that answers who has what: a shard may have been moved off a server that is
        gone."""
        with self._lock:
            if not self._layout.is_cluster or time.monotonic() - self._asked_at < _ELSEWHERE:
                return
            self._asked_at = time.monotonic()
        for where in self.that_answer():
            try:
                with self._client(where, patience=HEARD_WITHIN) as client:
                    told = slots_of(client, where)
            except RedisError:
                continue
            for shard, slot in enumerate(self._slots):
                found = told.of_slot(slot)
                if found not in {None, self._of_shard[shard]}:
                    self.moved(shard, found)
            return

    def _is_left(self, server: Server) -> bool:
        """Whether it has no shard any more; it is forgotten then."""
        with self._lock:
            if server.where in self._of_shard or len(self._known) == 1:
                return False
            self._known.pop(server.where, None)
        server.client.close()
        return True

    def _client(self, where: Where, **settings: float) -> Redis:
        return self._address.client(where, self._layout, **settings)
