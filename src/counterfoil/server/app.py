"""The ASGI application over a server's parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from counterfoil.carriers.clients import ClientCarriers
from counterfoil.integrations.fastapi.routes import session_routes
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.integrations.status import AGGREGATION, FEED, LISTS
from counterfoil.server import devices
from counterfoil.server.api import accounts as accounts_api
from counterfoil.server.api import admin, document, health, refusals, sessions, verifiers
from counterfoil.server.api.context import Context
from counterfoil.server.api.methods import HeadAsGet
from counterfoil.server.client_changes import ClientChanges
from counterfoil.server.composition import Server
from counterfoil.server.endings import ClientEndings
from counterfoil.server.lab.laboratory import Laboratory
from counterfoil.server.oauth import calls as oauth
from counterfoil.server.oauth.metadata import metadata
from counterfoil.server.operations import gauges
from counterfoil.server.operations.requests import Routed
from counterfoil.server.operations.samples import Sampler
from counterfoil.server.pages import lab as lab_pages
from counterfoil.server.pages import routes as pages
from counterfoil.server.pages.console import routes as console
from counterfoil.server.proxies.check import Check
from counterfoil.server.proxies.document import CHECK
from counterfoil.server.proxies.question import PATH
from counterfoil.server.sweeping import sweep
from counterfoil.server.tables.verifiers import VerifierRows
from counterfoil.server.verifiers.authentication import FeedRegister
from counterfoil.server.verifiers.register import VerifierRegister
from counterfoil.server.verifiers.waiting import Waits


def application(server: Server) -> FastAPI:
    """The ASGI application."""
    register = VerifierRegister(
        VerifierRows(server.store.rows, server.auth.store), server.clients, server.auth.clock
    )
    waits = Waits(server.auth.clock)
    sampler = Sampler(server.metrics, server.auth.clock, takes=server.sweeps)
    endings = ClientEndings(server.auth)
    has_lab = server.settings.dev and bool(server.settings.pages_client)
    lab = Laboratory(server.hasher.profile) if has_lab else None

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if not server.settings.dev:  # there, to be up soon counts for more than one sign-in
            devices.warm_up()
        beside = [
            asyncio.create_task(sweep(server)),
            asyncio.create_task(gauges.watch_lag(server.metrics)),
            asyncio.create_task(register.keep()),
            asyncio.create_task(server.clients.keep()),
        ]
        if server.settings.pages_client:
            beside.append(asyncio.create_task(sampler.keep()))
        if lab is not None:
            beside.append(asyncio.create_task(lab.keep()))
        yield
        for task in beside:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await endings.close()
        if lab is not None:
            await asyncio.to_thread(lab.close)
        await register.close()
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
        client_secrets=server.client_secrets,
        metrics=server.metrics,
        readiness=server.readiness,
        metrics_for=server.settings.metrics,
        pages_client=server.settings.pages_client,
        verifiers=register,
        waits=waits,
        sampler=sampler,
        workers=server.settings.workers,
        client_changes=ClientChanges(server.auth, server.client_rows, server.client_secrets),
        endings=endings,
        lab=lab,
    )
    for router in (
        session_routes(server.auth),
        sessions.router,
        accounts_api.router,
        admin.router,
        verifiers.router,
        health.router,
        oauth.router,
    ):
        app.include_router(router)
    app.add_api_route("/", index, methods=["GET"], tags=["health"], response_model=dict[str, str])
    refusals.register(app)
    document.complete(app, server.clients, {PATH: {"get": CHECK}})
    issuer = IssuerApp(
        server.auth,
        more=metadata(server.auth.issuer),
        register=FeedRegister(app.state.context),
        workers=server.settings.workers,
    )
    app.add_middleware(Check, app.state.context)
    app.add_middleware(refusals.Unstored)
    app.add_middleware(_Ahead, issuer, paths=frozenset({FEED}))
    app.add_middleware(Routed, raw=frozenset({PATH, FEED}))
    app.add_middleware(HeadAsGet)
    for held in (issuer.release, waits.release):
        server.readiness.on_drained(held)
    gauges.of_feed(server.metrics, server.auth.published, register)
    for place in ("/.well-known/{rest:path}", AGGREGATION, LISTS + "{list_id}"):
        app.router.routes.append(_Named(place, issuer))
    _add_pages(app, server, lab)
    return app


def _add_pages(app: FastAPI, server: Server, lab: Laboratory | None) -> None:
    """What people see."""
    if server.settings.pages_client:
        app.router.routes.extend([*pages.ROUTES, *console.ROUTES])
    if lab is not None:
        app.router.routes.extend(lab_pages.ROUTES)
        server.readiness.on_drained(lab.release)


class _Ahead:
    """Answers at these addresses before the router is asked. It tries every route in turn, which
    costs more than an answer of the feed; and verifiers ask for those all the time."""

    def __init__(self, app: ASGIApp, answering: ASGIApp, *, paths: frozenset[str]) -> None:
        self._app = app
        self._answering = answering
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and scope["path"] in self._paths
        await (self._answering if is_ours else self._app)(scope, receive, send)


class _Named(Route):
    """A route that the scope names, as FastAPI's are: several lead to one application here."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, more = super().matches(scope)
        return match, {**more, "route": self}


async def index(request: Request, response: Response) -> Any:
    """Where things are; whoever asks for a page is sent to the account's."""
    parts: Context = request.app.state.context
    if parts.pages_client and pages.are_wanted(request.headers.getlist("accept")):
        return pages.front_door(parts)
    issuer = parts.auth.issuer
    response.headers["vary"] = "Accept"
    return {
        "name": "Counterfoil",
        "issuer": issuer,
        "openapi": f"{issuer}/openapi.json",
        "keys": f"{issuer}/.well-known/jwks.json",
        "sign_in": f"{issuer}/v1/sessions",
        "who_am_i": f"{issuer}/v1/session",
    }
