"""What a browser makes of it: how a WebSocket is closed, and where an EventSource gives up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import HTMLResponse, StreamingResponse

from browsers import chromium
from counterfoil import Counterfoil, MemoryStore
from counterfoil.integrations.fastapi import (
    CurrentSession,
    protect,
    session_routes,
    sign_in_response,
)
from scenes import KEYS, WEB
from serving import serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi.responses import JSONResponse
    from playwright.sync_api import Page

PAGE = """<!doctype html><title>Live</title>
<script>
const told = {states: []};
const live = async () => {
  await fetch("/sign-in", {method: "POST"});
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/chat");
  socket.onclose = end => Object.assign(told, {
    code: end.code, reason: end.reason, clean: end.wasClean});
  const events = new EventSource("/events");
  events.onerror = () => told.states.push(events.readyState);
  await Promise.all([socket, events].map(each => new Promise(open => each.onopen = open)));
};
const again = () => new Promise(closed =>
  new WebSocket(location.origin.replace("http", "ws") + "/chat").onclose = end => closed(end.code));
</script>"""
CONNECTING, CLOSED = 0, 2  # states of an EventSource


def application(url: str) -> FastAPI:
    auth = Counterfoil(store=MemoryStore(), issuer=url, clients=[WEB], keys=KEYS)
    app = FastAPI()
    protect(app, auth)
    app.include_router(session_routes(auth))

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @app.post("/sign-in")
    async def sign_in() -> JSONResponse:
        return sign_in_response(await auth.open("ann"))

    @app.websocket("/chat")
    async def chat(websocket: WebSocket, _: CurrentSession) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    @app.get("/events")
    async def events(_: CurrentSession) -> StreamingResponse:
        async def told() -> AsyncIterator[str]:
            yield "retry: 100\n\n"
            await asyncio.sleep(3600)

        return StreamingResponse(told(), media_type="text/event-stream")

    app.router.add_event_handler("shutdown", auth.close)
    return app


@pytest.fixture
def visit() -> Iterator[Page]:
    with (
        serving(lambda url: application(_local(url)), ws="websockets-sansio") as url,
        chromium() as browser,
    ):
        page = browser.new_page()
        page.goto(_local(url))
        page.evaluate("live()")
        yield page


def _local(url: str) -> str:
    """Where browsers keep `__Host-` cookies without TLS."""
    return url.replace("127.0.0.1", "localhost")


def test_a_browser_is_told_why_and_stops_asking(visit: Page) -> None:
    """A WebSocket's code and reason, with which a page knows what to do: its next handshake is
    refused, and of that browsers say nothing. An EventSource connects again, is answered 401, and
    gives up."""
    told: dict[str, Any] = {}

    def ended() -> bool:
        told.update(visit.evaluate("told"))
        return "code" in told and CLOSED in told["states"]

    assert not ended()
    visit.evaluate("fetch('/v1/session', {method: 'DELETE'})")
    until(ended)
    assert told == {
        "code": 3000,
        "reason": "session_revoked",
        "clean": True,
        "states": [CONNECTING, CLOSED],
    }
    assert visit.evaluate("again()") == 1006
