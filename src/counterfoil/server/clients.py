"""The clients of a running server: those of its database, read anew as they are added."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, ValuesView
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.errors import Overloaded, Unavailable
from counterfoil.lifetime import Lifetime
from counterfoil.threads import begun

if TYPE_CHECKING:
    from counterfoil.clock import Clock
    from counterfoil.server.tables.clients import ClientRows

EVERY: Final = 1.0  # seconds; a client added from the command line is known after that


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
    """By client_id; follows the table every second, and at once when asked for one it does not
    know. `rows` must never suspend. is_aside: whether to read them may take long, so that a thread
    does it, whatever is asked for meanwhile."""

    def __init__(
        self, rows: ClientRows, clock: Clock, *, is_aside: Callable[[], bool] = lambda: False
    ) -> None:
        self._rows = rows
        self._clock = clock
        self._is_aside = is_aside
        self._reading = threading.Lock()
        self._read_at = float("-inf")
        self._clients: dict[str, Client] = {}
        self.version = 0
        self._read()
        os.register_at_fork(after_in_child=self._forked)

    def __getitem__(self, client_id: str) -> Client:
        found = self._current().get(client_id)
        if found is None and not self._is_aside():
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
        if self._clock.uptime() - self._read_at >= every:
            if not self._is_aside():
                self._read()
            elif self._reading.acquire(blocking=False):
                self._begin_to_read()
        return self._clients

    def _begin_to_read(self) -> None:
        try:
            begun(self._read_aside, name="counterfoil-clients")
        except Overloaded:  # those known go on being known, and the next one tries again
            self._reading.release()

    def _read(self) -> None:
        """Clients are configuration: those known go on being known while the store is away."""
        uptime = self._clock.uptime()
        with suppress(Unavailable):
            clients = drive(self._rows.clients())
            if clients != self._clients:
                self._clients = clients
                self.version += 1
        self._read_at = uptime

    def _read_aside(self) -> None:
        try:
            self._read()
        finally:
            self._reading.release()

    def _forked(self) -> None:
        self._reading = threading.Lock()
