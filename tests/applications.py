"""A FastAPI application as its author writes it, over an engine whose clock stands still."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Response, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel

import scenes
from asking import Failing
from counterfoil import MemoryStore, Verified
from counterfoil.carriers.cookie import cookie_name, refresh_cookie_name
from counterfoil.drive import drive
from counterfoil.integrations.fastapi import (
    CurrentSession,
    OptionalSession,
    PresentedCredential,
    own_site,
    protect,
    requires,
    session_routes,
    sign_in_response,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil import Client, Counterfoil, Opened

HOST = "https://testserver"
ADMIN = "admin"


class SignIn(BaseModel):
    subject: str
    client_id: str


def endpoints(app: FastAPI) -> None:
    """What asks for a session, in every way that there is."""

    @app.get("/me")
    async def me(session: CurrentSession) -> dict[str, Any]:
        return {"subject": session.subject, "roles": session.roles}

    @app.post("/me")
    async def change_me(session: CurrentSession) -> str:
        return session.subject

    @app.get("/plain")
    def plain(session: CurrentSession) -> str:
        return session.subject

    @app.get("/maybe")
    async def maybe(session: OptionalSession) -> str:
        return session.subject if session else "visitor"

    @app.get("/admin", dependencies=[requires(ADMIN)])
    async def admin() -> str:
        return "admin"

    @app.get("/both")
    async def both(session: Annotated[Verified, requires(ADMIN, "auditor")]) -> str:
        return session.subject

    @app.get("/recent", dependencies=[requires(recent=timedelta(minutes=5))])
    async def recent() -> str:
        return "recent"

    @app.get("/open")
    async def open_to_all() -> str:
        return "open"

    sockets(app)


def sockets(app: FastAPI) -> None:
    @app.websocket("/live")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.send_text(session.subject)
        await websocket.close()

    @app.websocket("/live/admin")
    async def live_admin(
        websocket: WebSocket, session: Annotated[Verified, requires(ADMIN)]
    ) -> None:
        await websocket.accept()
        await websocket.send_text(session.subject)
        await websocket.close()


def signing_in(app: FastAPI, auth: Counterfoil) -> None:
    @app.post("/sign-in", status_code=201, dependencies=[Depends(own_site)])
    async def sign_in(sent: SignIn) -> Response:
        return sign_in_response(await auth.open(sent.subject, client_id=sent.client_id))

    @app.post("/step-up")
    async def step_up(presented: PresentedCredential) -> Response:
        return sign_in_response(await auth.step_up(presented), 200)


@dataclass(slots=True)
class Site:
    """An application, and what it stands on."""

    app: FastAPI
    scene: scenes.Scene
    roles: scenes.Roles
    store: Failing

    @property
    def auth(self) -> Counterfoil:
        return self.scene.auth

    def open(self, subject: str = "ann", client_id: str = "web") -> Opened:
        return drive(self.auth.open(subject, client_id=client_id))

    def visitor(self, **headers: str) -> TestClient:
        return TestClient(self.app, base_url=HOST, headers=headers)

    def person(self, subject: str = "ann", client_id: str = "web") -> TestClient:
        """Somebody who holds a fresh credential of this client."""
        return holding(self.visitor(), self.open(subject, client_id))


@contextmanager
def site(*clients: Client, **protecting: Any) -> Iterator[Site]:
    """An application with every endpoint, protected; with one client of each kind by default."""
    roles, store = scenes.Roles(), MemoryStore()
    face = Failing(store)
    with scenes.scene(*clients, claims=roles, store=store, face=face) as scene:
        app = FastAPI()
        protect(app, scene.auth, **protecting)
        endpoints(app)
        signing_in(app, scene.auth)
        app.include_router(session_routes(scene.auth))
        yield Site(app, scene, roles, face)


def holding(client: TestClient, opened: Opened) -> TestClient:
    """The client with this credential, as it would travel."""
    issued = opened.credential
    if issued.carrier == "bearer":
        client.headers["Authorization"] = f"Bearer {issued.token}"
        return client
    client.cookies.set(cookie_name(issued.client_id), issued.token, domain="testserver.local")
    if issued.refresh_handle is not None:
        name = refresh_cookie_name(issued.client_id)
        client.cookies.set(name, issued.refresh_handle, domain="testserver.local")
    return client


def code(answer: Any) -> str:
    """The stable code of a refusal that is the problem it should be."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["status"] == answer.status_code
    return str(answer.json()["code"])
