"""The composition root: settings in, ASGI application out; the only place that chooses plugs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI, Request
from starlette.routing import Route

from counterfoil.clock import SystemClock
from counterfoil.engine import Counterfoil
from counterfoil.errors import CounterfoilError, Unavailable
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.server import devices
from counterfoil.server.accounts import Accounts, claims_of
from counterfoil.server.api import accounts as accounts_api
from counterfoil.server.api import admin, document, health, refusals, sessions
from counterfoil.server.api.context import Context
from counterfoil.server.api.methods import HeadAsGet
from counterfoil.server.clients import RegisteredClients, development_clients
from counterfoil.server.passwords.hashing import PasswordHasher
from counterfoil.server.settings import Settings
from counterfoil.server.tables.accounts import AccountRows
from counterfoil.server.tables.attempts import Attempts
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate
from counterfoil.stores.sqlite import SqliteStore

TABLES: Final = "counterfoil.server.tables.migrations"
SWEEP_EVERY: Final = timedelta(minutes=10)
MOST_BITES: Final = 5000
_log = logging.getLogger("counterfoil.server")


@dataclass(frozen=True, slots=True)
class Server:
    """A server's parts, for the ASGI application and for the command line alike."""

    settings: Settings
    store: SqliteStore
    hasher: PasswordHasher
    clients: RegisteredClients
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
    return Server(settings, store, hasher, clients, auth, accounts)


def application(server: Server) -> FastAPI:
    """The ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        devices.warm_up()
        sweeping = asyncio.create_task(_sweep(server))
        yield
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping
        await server.close()

    app = FastAPI(
        title="Counterfoil",
        version=version("counterfoil"),
        summary="Sessions, JWTs, or a hybrid of both, revocable within a stated bound.",
        docs_url=None,  # those pages fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.context = Context(
        auth=server.auth,
        accounts=server.accounts,
        clients=server.clients,
        networks=server.settings.networks,
        registration_is_open=server.settings.registration_is_open,
    )
    for router in (
        sessions.router,
        accounts_api.router,
        admin.router,
        health.router,
    ):
        app.include_router(router)
    app.add_api_route("/", index, methods=["GET"], tags=["health"])
    refusals.register(app)
    document.complete(app, server.clients)
    app.add_middleware(refusals.Unstored)
    app.add_middleware(HeadAsGet)
    app.router.routes.append(Route("/.well-known/{rest:path}", IssuerApp(server.auth)))
    return app


async def index(request: Request) -> dict[str, str]:
    """Where things are."""
    issuer = request.app.state.context.auth.issuer
    return {
        "name": "Counterfoil",
        "issuer": issuer,
        "openapi": f"{issuer}/openapi.json",
        "keys": f"{issuer}/.well-known/jwks.json",
        "sign_in": f"{issuer}/v1/sessions",
        "who_am_i": f"{issuer}/v1/session",
    }


async def _sweep(server: Server) -> None:
    """Forgets, now and then, what nobody can ask for any more; in small bites."""
    auth = server.auth
    while True:
        try:
            await _sweep_store(auth)
            await server.accounts.attempts.sweep(now=auth.clock.now())
            _sweep_keys(server)
        except Unavailable as why:
            _log.warning("sweeping waits: %s", why.code)
        except CounterfoilError as why:
            _log.warning("sweeping failed: %s", why)
        await asyncio.sleep(SWEEP_EVERY.total_seconds())


async def _sweep_store(auth: Counterfoil) -> None:
    for _ in range(MOST_BITES):
        if not await auth.store.sweep(now=auth.clock.now()):
            return
        await asyncio.sleep(0.05)  # requests first


def _sweep_keys(server: Server) -> None:
    """Drops retired keys whose last tokens have expired."""
    now = server.auth.clock.now()
    longest = max((client.lifetime.access for client in server.clients.values()), default=None)
    if longest is None:
        return
    keep = longest + timedelta(minutes=5)
    kept = server.auth.keys.signing_keys()
    if kept.swept(now=now, keep=keep) != kept:
        server.auth.keys.update(lambda keys: keys.swept(now=now, keep=keep))
