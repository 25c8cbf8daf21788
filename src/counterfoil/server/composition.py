"""The composition root: settings in, a server's parts out; the only place that chooses plugs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from counterfoil.clock import SystemClock
from counterfoil.errors import Unavailable
from counterfoil.server.accounts import claims_of
from counterfoil.server.clients import RegisteredClients, development_clients
from counterfoil.server.operations import gauges
from counterfoil.server.operations.counted_store import CountedStore
from counterfoil.server.operations.metrics import Metrics
from counterfoil.server.operations.observed import ObservedAccounts, ObservedCounterfoil
from counterfoil.server.operations.readiness import Readiness
from counterfoil.server.passwords.hashing import PasswordHasher
from counterfoil.server.settings import Settings
from counterfoil.server.storing import ServerKeys, ServerStore, Sessions, opened
from counterfoil.server.tables.accounts import AccountRows
from counterfoil.server.tables.attempts import Attempts
from counterfoil.server.tables.client_secrets import ClientSecrets
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate

TABLES: Final = "counterfoil.server.tables.migrations"


@dataclass(frozen=True, slots=True)
class Server:
    """A server's parts, for the ASGI application and for the command line alike."""

    settings: Settings
    store: ServerStore
    sessions: Sessions
    hasher: PasswordHasher
    clients: RegisteredClients
    client_rows: ClientRows
    client_secrets: ClientSecrets
    auth: ObservedCounterfoil
    accounts: ObservedAccounts
    keys: ServerKeys
    metrics: Metrics
    readiness: Readiness
    sweeps: bool

    async def close(self) -> None:
        self.hasher.close()
        await self.auth.close()
        await self.store.close()


async def compose(
    settings: Settings,
    *,
    hasher: PasswordHasher | None = None,
    metrics: Metrics | None = None,
    sweeps: bool = True,
) -> Server:
    """Opens the store of these settings, migrated, with the clients that a fresh one has. hasher:
    by default of the recommended cost; the server closes it. sweeps: whether this process forgets
    what nobody can ask for any more; of several workers, one does."""
    clock = SystemClock()
    metrics = metrics or Metrics()
    store, sessions, keys = opened(settings)
    await migrate(store.rows, component="server", package=TABLES)
    client_rows = ClientRows(store.rows, settings.lifetime)
    if settings.dev:
        for client in development_clients(settings.lifetime, settings.max_staleness):
            if not await client_rows.add(client, at=clock.now(), own_lifetime=False):
                await client_rows.set_max_staleness(client)
    clients = RegisteredClients(
        ClientRows(store.blocking().rows, settings.lifetime), clock, aside=store.rows
    )
    account_rows = AccountRows(store.rows)
    auth = ObservedCounterfoil(
        metrics,
        issuer=settings.issuer or f"http://localhost:{settings.port}",
        store=CountedStore(sessions, metrics),
        keys=keys,
        clients=clients,
        claims=lambda subject: claims_of(account_rows, subject),
        clock=clock,
    )

    if sessions.waits_aside:
        # It takes longer than a look at a file; and what is read now is known in an outage too.
        with suppress(Unavailable):
            await sessions.aside(auth.follow)

    def secret() -> bytes:
        secrets = auth.keys.handle_secrets()
        return secrets.versions[secrets.current]

    hasher = hasher or PasswordHasher(share=settings.workers)
    attempts = Attempts(store.rows, secret)
    accounts = ObservedAccounts(metrics, account_rows, attempts, hasher, auth, clock)
    gauges.register(metrics, store=store, sessions=sessions, hasher=hasher, keys=keys, auth=auth)
    secrets = ClientSecrets(store.rows)
    return Server(
        settings=settings,
        store=store,
        sessions=sessions,
        hasher=hasher,
        clients=clients,
        client_rows=client_rows,
        client_secrets=secrets,
        auth=auth,
        accounts=accounts,
        keys=keys,
        metrics=metrics,
        readiness=Readiness(sessions.blocking(), keys, answers_partly=sessions.answers_partly),
        sweeps=sweeps,
    )
