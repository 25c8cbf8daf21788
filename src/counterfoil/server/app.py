"""The ASGI application over a server's parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI, Request
from starlette.routing import Route

from counterfoil.carriers.clients import ClientCarriers
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.server import devices
from counterfoil.server.api import accounts as accounts_api
from counterfoil.server.api import admin, document, health, refusals, sessions
from counterfoil.server.api.context import Context
from counterfoil.server.api.methods import HeadAsGet
from counterfoil.server.composition import Server
from counterfoil.server.sweeping import sweep


def application(server: Server) -> FastAPI:
    """The ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        devices.warm_up()
        sweeping = asyncio.create_task(sweep(server))
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
        carriers=ClientCarriers(server.clients, issuer=server.auth.issuer),
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
