"""Live connections over sockets: uvicorn, FastAPI, a client, and somebody who revokes elsewhere."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from starlette.routing import Mount
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from asking import sent_with
from counterfoil import BlockingCounterfoil, Client, Counterfoil, SqliteStore, Verifier
from counterfoil.integrations import asgi_live
from counterfoil.integrations.fastapi import CurrentSession, protect
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.lifetime import Lifetime
from scenes import API, KEYS, PARTNER, PHONE, SECOND, WEB
from serving import serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

    from counterfoil import Opened

BRIEF = Client(client_id="brief", strategy="jwt", lifetime=Lifetime(access=4 * SECOND))
STRICT = Client(client_id="strict", strategy="hybrid", max_staleness=SECOND)
CLIENTS = (WEB, PHONE, API, PARTNER, BRIEF, STRICT)
L = 10.0  # seconds: max_staleness of all but one


@dataclass
class Site:
    """An application that is served, and another process of it, which revokes."""

    url: str
    elsewhere: BlockingCounterfoil
    left: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def opened(self, client_id: str) -> Opened:
        return self.elsewhere.open("ann", client_id=client_id)

    def socket(self, opened: Opened, path: str = "/chat", **more: Any) -> ClientConnection:
        headers = {name.decode(): value.decode() for name, value in sent_with(opened)}
        url = self.url.replace("http", "ws", 1) + path
        connection: ClientConnection = connect(url, additional_headers=headers, **more)
        return connection

    def call(self, opened: Opened, path: str) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", urlsplit(self.url).port, timeout=L)
        headers = {name.decode(): value.decode() for name, value in sent_with(opened)}
        connection.request("GET", path, headers=headers)
        return connection


def application(site: Site, auth: Counterfoil | Verifier) -> FastAPI:
    app = FastAPI()
    protect(app, auth)

    @app.websocket("/chat")
    async def chat(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        try:
            async for text in websocket.iter_text():
                await websocket.send_text(f"{session.subject}: {text}")
        finally:
            site.left.append("chat")

    @app.websocket("/flood")
    async def flood(websocket: WebSocket, _: CurrentSession) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(bytes(65536))
        finally:
            site.left.append("flood")

    @app.get("/events")
    async def events(_: CurrentSession) -> StreamingResponse:
        async def told() -> AsyncIterator[str]:
            try:
                yield "data: hello\n\n"
                await asyncio.sleep(3600)
            finally:
                site.left.append("events")

        return StreamingResponse(told(), media_type="text/event-stream")

    return app


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Site]:
    """Each has opened the database for itself, as two processes would."""
    sites: list[Site] = []

    def app_for(url: str) -> FastAPI:
        auth, other = (
            kind(store=SqliteStore(folder / "app.db"), issuer=url, clients=CLIENTS, keys=KEYS)
            for kind in (Counterfoil, BlockingCounterfoil)
        )
        assert isinstance(other, BlockingCounterfoil)
        assert isinstance(auth, Counterfoil)
        site = Site(url, other)
        sites.append(site)
        app = application(site, auth)
        app.router.add_event_handler("shutdown", auth.close)
        app.router.routes.append(Mount("/", IssuerApp(auth)))
        return app

    with serving(app_for, ws="websockets-sansio", **settings):
        yield sites[0]
        sites[0].elsewhere.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path) as site:
        yield site


def how_it_ends(connection: ClientConnection) -> tuple[int, str]:
    """The code and the reason that a client is closed with."""
    try:
        while True:
            connection.recv(timeout=2 * L)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (0, "no close came")


@pytest.mark.parametrize("client_id", ["web", "phone", "api"])
def test_a_websocket_is_closed_when_another_process_revokes(site: Site, client_id: str) -> None:
    """And a new handshake is refused, with an answer."""
    opened = site.opened(client_id)
    with site.socket(opened) as connection:
        connection.send("hello")
        assert connection.recv() == "ann: hello"
        site.elsewhere.revoke(opened.session.id)
        assert how_it_ends(connection) == (3000, "session_revoked")
    until(lambda: site.left == ["chat"])
    with pytest.raises(InvalidStatus) as caught:
        site.socket(opened)
    assert caught.value.response.status_code == 401


def test_a_websocket_is_closed_as_its_token_expires(site: Site) -> None:
    """By itself: nobody does anything."""
    with site.socket(site.opened("brief")) as connection:
        assert how_it_ends(connection) == (3000, "credential_expired")


def test_the_close_comes_through_what_is_being_sent(site: Site) -> None:
    """An application that never receives and never stops sending."""
    opened = site.opened("web")
    with site.socket(opened, "/flood") as connection:
        connection.recv()
        site.elsewhere.revoke(opened.session.id)
        assert how_it_ends(connection) == (3000, "session_revoked")
    until(lambda: site.left == ["flood"])


def test_a_peer_that_does_not_read_holds_nobody_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buffers are full, so it cannot be told; the others are, and its application is let go."""
    monkeypatch.setattr(asgi_live, "PATIENCE", 0.5)
    opened = site.opened("web")
    parts = urlsplit(site.url)
    with (
        socket.create_connection(("127.0.0.1", parts.port or 80)) as deaf,
        site.socket(opened) as other,
    ):
        cookie = dict(sent_with(opened))[b"cookie"]
        deaf.sendall(
            b"GET /flood HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: " + cookie + b"\r\n\r\n"
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        site.elsewhere.revoke(opened.session.id)
        assert how_it_ends(other) == (3000, "session_revoked")
        until(lambda: sorted(site.left) == ["chat", "flood"])


def test_an_event_stream_ends_and_its_connection_serves_the_next_request(site: Site) -> None:
    """Which is refused: so an EventSource, which asks again, stops."""
    opened = site.opened("web")
    connection = site.call(opened, "/events")
    answer = connection.getresponse()
    assert answer.readline() == b"data: hello\n"
    site.elsewhere.revoke(opened.session.id)
    assert answer.read() == b"\n"
    until(lambda: site.left == ["events"])
    connection.request("GET", "/events", headers={"Cookie": sent_with(opened)[0][1].decode()})
    assert connection.getresponse().status == 401
    connection.close()


def test_a_server_that_stops_tells_them_so(tmp_path: Path) -> None:
    """As it would without us; nothing is left behind."""
    with ExitStack() as server:
        site = server.enter_context(served(tmp_path))
        with site.socket(site.opened("web")) as connection:
            connection.send("hello")
            connection.recv()
            server.close()
            assert how_it_ends(connection)[0] == 1012


# A service that only verifies.


@contextmanager
def verifying(issuer: Site) -> Iterator[Site]:
    with Verifier(issuer=issuer.url, audience="strict") as verifier:
        service = Site("", issuer.elsewhere)

        def app_for(url: str) -> FastAPI:
            service.url = url
            return application(service, verifier)

        with serving(app_for, ws="websockets-sansio"):
            yield service


def test_a_service_that_only_verifies_closes_them_too(site: Site) -> None:
    """It hears of the revocation by the feed; the session's other tokens have nothing to do with
    it."""
    revoked, kept = site.opened("strict"), site.opened("strict")
    with (
        verifying(site) as service,
        service.socket(revoked) as connection,
        service.socket(kept) as other,
    ):
        site.elsewhere.revoke(revoked.session.id)
        assert how_it_ends(connection) == (3000, "session_revoked")
        other.send("hello")
        assert other.recv() == "ann: hello"


def test_a_service_that_is_cut_off_closes_them_within_the_bound(tmp_path: Path) -> None:
    """It cannot know any more: to be tried again later."""
    with ExitStack() as issuer:
        site = issuer.enter_context(served(tmp_path))
        opened = site.opened("strict")
        with verifying(site) as service, service.socket(opened) as connection:
            connection.send("hello")
            connection.recv()
            issuer.close()
            assert how_it_ends(connection) == (1013, "status_stale")
