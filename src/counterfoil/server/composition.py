"""The composition root: settings in, a server's parts out; the only place that chooses plugs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from counterfoil.clock import SystemClock
from counterfoil.engine import Counterfoil
from counterfoil.server.accounts import Accounts, claims_of
from counterfoil.server.clients import RegisteredClients, development_clients
from counterfoil.server.passwords.hashing import PasswordHasher
from counterfoil.server.settings import Settings
from counterfoil.server.tables.accounts import AccountRows
from counterfoil.server.tables.attempts import Attempts
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate
from counterfoil.stores.sqlite import SqliteStore

TABLES: Final = "counterfoil.server.tables.migrations"


@dataclass(frozen=True, slots=True)
class Server:
    """A server's parts, for the ASGI application and for the command line alike."""

    settings: Settings
    store: SqliteStore
    hasher: PasswordHasher
    clients: RegisteredClients
    client_rows: ClientRows
    auth: Counterfoil
    accounts: Accounts

    async def close(self) -> None:
        self.hasher.close()
        await self.auth.close()


async def compose(settings: Settings, *, hasher: PasswordHasher | None = None) -> Server:
    """Opens the store of these settings, migrated, with the clients that a fresh one has. hasher:
    by default of the recommended cost; the server closes it."""
    clock = SystemClock()
    store = SqliteStore(settings.database)
    await migrate(store.rows, component="server", package=TABLES)
    client_rows = ClientRows(store.rows, settings.lifetime)
    if settings.dev:
        for client in development_clients(settings.lifetime, settings.max_staleness):
            if not await client_rows.add(client, at=clock.now(), own_lifetime=False):
                await client_rows.set_max_staleness(client)
    clients = RegisteredClients(ClientRows(store.blocking().rows, settings.lifetime), clock)
    account_rows = AccountRows(store.rows)
    auth = Counterfoil(
        issuer=settings.issuer or f"http://localhost:{settings.port}",
        store=store,
        clients=clients,
        claims=lambda subject: claims_of(account_rows, subject),
        clock=clock,
    )

    def secret() -> bytes:
        secrets = auth.keys.handle_secrets()
        return secrets.versions[secrets.current]

    hasher = hasher or PasswordHasher()
    accounts = Accounts(account_rows, Attempts(store.rows, secret), hasher, auth, clock)
    return Server(settings, store, hasher, clients, client_rows, auth, accounts)
