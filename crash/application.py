"""A node that is no server of ours but an application: FastAPI over a `RedisStore`.

It has the calls of `counterfoil serve` that people here make. Whoever gives the one password is
signed in: accounts are not what is tried.
"""

from __future__ import annotations

import argparse
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response

from counterfoil import Client, Counterfoil, RedisStore, SqliteStore
from counterfoil.errors import SignInRefused, StoreUnavailable
from counterfoil.integrations.fastapi import session_routes
from counterfoil.integrations.fastapi.reading import Reading
from counterfoil.integrations.fastapi.shapes import OpenedShape, Sent
from counterfoil.integrations.fastapi.shapes import opened as shape
from counterfoil.integrations.fastapi.strict_route import StrictRoute
from crash.person import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from counterfoil import Opened

FOUND_WITHIN: Final = 30.0  # seconds; a master that has just begun answers nothing for two
CLIENTS: Final = (
    Client(client_id="web", strategy="session", carrier="cookie", manage=True),
    Client(client_id="api", strategy="hybrid", manage=True),
)


class Account(Sent):
    identifier: str
    password: str


class SignIn(Account):
    client_id: str


class StepUp(Sent):
    password: str


def application(auth: Counterfoil) -> FastAPI:
    reading = Reading(auth)
    router = APIRouter(route_class=StrictRoute)

    def carried(response: Response, opened: Opened) -> OpenedShape:
        cookies = reading.carriers.set_cookies(opened, now=auth.clock.now())
        response.raw_headers.extend(cookies)
        return shape(opened)

    @router.post("/v1/accounts", status_code=201)
    async def register(sent: Account) -> dict[str, str]:
        return {"subject": sent.identifier}

    @router.post("/v1/sessions", status_code=201, response_model_exclude_none=True)
    async def sign_in(response: Response, sent: SignIn) -> OpenedShape:
        before = await auth.subject(sent.identifier)
        _require(sent.password)
        opened = await auth.open(sent.identifier, client_id=sent.client_id, expected=before)
        return carried(response, opened)

    @router.post("/v1/session/step-up", response_model_exclude_none=True)
    async def step_up(request: Request, response: Response, sent: StepUp) -> OpenedShape:
        _require(sent.password)
        return carried(response, await auth.step_up(reading.presented(request, None)))

    @router.get("/readyz")
    async def ready() -> dict[str, str]:
        await auth.require_current()
        return {"status": "ready"}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await auth.close()

    app = FastAPI(lifespan=lifespan)
    app.include_router(session_routes(auth))
    app.include_router(router)
    return app


def _require(password: str) -> None:
    if password != PASSWORD:
        raise SignInRefused


def _found(address: str) -> RedisStore:
    until = time.monotonic() + FOUND_WITHIN
    while True:
        try:
            return RedisStore(address)
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m crash.application")
    parser.add_argument("--sessions", required=True)
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--data", required=True, type=Path, help="its own; keys lie beside it")
    told = parser.parse_args()
    auth = Counterfoil(
        store=_found(told.sessions),
        issuer=told.issuer,
        clients=CLIENTS,
        keys=SqliteStore(told.data.parent / "application.db").default_keys(),
    )
    uvicorn.run(application(auth), host="127.0.0.1", port=told.port, log_level="warning")


if __name__ == "__main__":
    main()
