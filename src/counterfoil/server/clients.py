"""The clients of a running server: those of its database, read anew as they are added."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator, Mapping, ValuesView
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, Unavailable
from counterfoil.lifetime import Lifetime

if TYPE_CHECKING:
    from counterfoil.clock import Clock
    from counterfoil.server.tables.clients import ClientRows
    from counterfoil.stores.rows import Rows

EVERY: Final = 1.0  # seconds; what is changed from the command line is known after that
KEPT_EVERY: Final = 0.2  # across a network, where no request reads them
_log = logging.getLogger("counterfoil.server")


def development_clients(lifetime: Lifetime, max_staleness: timedelta) -> tuple[Client, ...]:
    """What a fresh development server has: one of each strategy."""
    return (
        Client(
            client_id="web", strategy="session", carrier="cookie", lifetime=lifetime, manage=True
        ),
        Client(
            client_id="api",
            strategy="hybrid",
            lifetime=lifetime,
            max_staleness=max_staleness,
            manage=True,
        ),
        Client(client_id="partner", strategy="jwt", lifetime=lifetime),
    )


class RegisteredClients(Mapping[str, Client]):
    """By client_id; follows the table. `rows` must never suspend: they are read every second as
    somebody asks, and at once when asked for one that is not known. aside: the same rows for an
    event loop; where those wait aside, `keep` is what reads on, and `found` for who may wait.
    """

    def __init__(self, rows: ClientRows, clock: Clock, *, aside: Rows | None = None) -> None:
        self._rows = rows
        self._clock = clock
        self._aside = aside or rows.rows
        self._reading = threading.Lock()
        self._tried_at = self._read_at = float("-inf")
        self._clients: dict[str, Client] = {}
        self.version = 0
        self._read_on(every=0.0)
        os.register_at_fork(after_in_child=self._forked)

    async def found(self, client_id: str) -> Client | None:
        """The client, also where it was registered elsewhere a moment ago. Raises
        `StoreUnavailable` where that cannot be known."""
        known = self._current().get(client_id)
        if known is None:
            await self._aside.aside(partial(self._read_since, self._clock.uptime()))
            known = self._clients.get(client_id)
        return known

    async def keep(self) -> None:
        """Reads on for ever, where who asks may not."""
        told = ""
        while True:
            await asyncio.sleep(KEPT_EVERY)
            if self._aside.waits_aside:
                try:
                    await self._aside.aside(partial(self._read_since, self._clock.uptime()))
                    told = ""
                except Unavailable:
                    pass
                except ConfigurationError as why:  # of another node's settings, perhaps
                    if str(why) != told:
                        told = str(why)
                        _log.error("The clients are used as they were: %s", told)

    def __getitem__(self, client_id: str) -> Client:
        found = self._current().get(client_id)
        if found is None:
            found = self._current(every=0.0).get(client_id)
        if found is None:
            raise KeyError(client_id)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())

    def values(self) -> ValuesView[Client]:
        """Of one reading; the inherited one would ask for each client, at every request."""
        return self._current().values()

    def _current(self, *, every: float = EVERY) -> dict[str, Client]:
        if not self._aside.waits_aside:
            self._read_on(every=every)
        return self._clients

    def _read_on(self, *, every: float) -> None:
        """Clients are configuration: those known go on being known while the store is away."""
        if self._clock.uptime() - self._tried_at >= every:
            with suppress(Unavailable):
                self._read()

    def _read_since(self, asked: float) -> None:
        """Reads, unless somebody has begun to since then."""
        with self._reading:
            if self._read_at <= asked:
                self._read()

    def _read(self) -> None:
        self._tried_at = began = self._clock.uptime()
        clients = drive(self._rows.clients())
        self._read_at = began
        if clients != self._clients:
            self._clients = clients
            self.version += 1

    def _forked(self) -> None:
        self._reading = threading.Lock()
