"""Event streams whose credential ends: the answer ends, and the application is let go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from asking import sent_with
from counterfoil.integrations import asgi_live
from counterfoil.integrations.asgi import AuthMiddleware, current_session
from peers import Peer
from scenes import Scene, scene

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asking import App
    from counterfoil import Opened

EVENTS = "text/event-stream; charset=utf-8"
THE_END = {"type": "http.response.body", "body": b"", "more_body": False}
SPECS = ("2.3", "2.4")  # of ASGI; since 2.4 sending to who has gone raises


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def played() -> Iterator[Scene]:
    with scene() as made:
        yield made


class Ticking:
    """A Starlette application that sends and sends."""

    def __init__(self, media_type: str = EVENTS, *, pause: float = 0.001) -> None:
        self.ticks = 0
        self._media_type = media_type
        self._pause = pause

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        current_session(scope)
        response = StreamingResponse(self._ticks(), media_type=self._media_type)
        await response(scope, receive, send)

    async def stopped(self) -> bool:
        before = self.ticks
        await asyncio.sleep(0.05)
        return self.ticks == before

    async def _ticks(self) -> AsyncIterator[str]:
        while True:
            self.ticks += 1
            yield "data: tick\n\n"
            await asyncio.sleep(self._pause)


async def streaming(played: Scene, app: App, opened: Opened, **more: Any) -> Peer:
    protected = AuthMiddleware(app, played.auth)
    peer = await Peer(protected, sent_with(opened), kind="http", **more).open()
    await peer.until(lambda: len(peer.sent) > 1)
    return peer


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("client_id", ["web", "api"])
async def test_an_event_stream_ends_with_its_credential(
    played: Scene, client_id: str, spec: str
) -> None:
    """Properly, so that an EventSource asks again, and stops at the 401 that it is answered."""
    app = Ticking()
    opened = await played.open("ann", client_id)
    peer = await streaming(played, app, opened, spec=spec)
    await played.auth.revoke(opened.session.id)
    assert await peer.over() == THE_END
    assert peer.sent.count(THE_END) == 1
    assert await app.stopped()
    again = await Peer(AuthMiddleware(app, played.auth), sent_with(opened), kind="http").open()
    await again.over()
    assert again.sent[0]["status"] == 401


@pytest.mark.parametrize("spec", SPECS)
async def test_one_that_waits_for_news_ends_too(played: Scene, spec: str) -> None:
    """Most streams are silent most of the time; the peer is told, whatever the application does."""
    app = Ticking(pause=3600)
    opened = await played.open("ann", "web")
    peer = await streaming(played, app, opened, spec=spec)
    await played.auth.revoke(opened.session.id)
    await peer.until(lambda: peer.last == THE_END)
    if spec == "2.4":  # there Starlette finds out when it sends
        peer._running.cancel()  # type: ignore[union-attr] # noqa: SLF001
        with pytest.raises(asyncio.CancelledError):
            await peer.over()
    else:
        await peer.over()
    assert await app.stopped()


@pytest.mark.parametrize("spec", SPECS)
async def test_a_peer_that_does_not_read_is_let_go(
    played: Scene, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its application may not be kept waiting for ever, nor spin."""
    monkeypatch.setattr(asgi_live, "PATIENCE", 0.2)
    app = Ticking(pause=0)
    opened = await played.open("ann", "web")
    peer = await streaming(played, app, opened, spec=spec)
    peer.reads.clear()
    await asyncio.sleep(0.05)
    await played.auth.revoke(opened.session.id)
    last = await peer.over()
    assert last["more_body"] is True
    assert await app.stopped()


async def test_a_download_is_not_cut(played: Scene) -> None:
    """What was begun with a good credential is sent to its end."""
    app = Ticking("application/zip")
    opened = await played.open("ann", "web")
    peer = await streaming(played, app, opened)
    await played.auth.revoke(opened.session.id)
    sent = len(peer.sent)
    await peer.until(lambda: len(peer.sent) > sent + 20)
    peer._running.cancel()  # type: ignore[union-attr] # noqa: SLF001 - the client has had enough
    with pytest.raises(asyncio.CancelledError):
        await peer.over()


async def test_a_public_stream_goes_on(played: Scene) -> None:
    """Nobody has asked who it is."""

    async def public(scope: Any, receive: Any, send: Any) -> None:
        _ = scope, receive
        headers = [(b"Content-Type", b"Text/Event-Stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await asyncio.sleep(0.2)
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    opened = await played.open("ann", "web")
    peer = await streaming(played, public, opened)
    await played.auth.revoke(opened.session.id)
    await peer.over()
    assert [each.get("body") for each in peer.sent] == [None, b"data: 1\n\n", b"data: 2\n\n"]


async def test_one_that_ends_by_itself_is_not_ended_again(played: Scene) -> None:
    """Whatever its application goes on to do."""

    async def brief(scope: Any, receive: Any, send: Any) -> None:
        _ = receive
        current_session(scope)
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": False})
        await asyncio.sleep(0.2)

    opened = await played.open("ann", "web")
    peer = await streaming(played, brief, opened)
    await played.auth.revoke(opened.session.id)
    await peer.over()
    assert len(peer.sent) == 2


async def test_a_request_is_received_to_its_end_first(played: Scene) -> None:
    """Its body is nobody's to cut."""

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        current_session(scope)
        body = await Request(scope, receive).body()
        await PlainTextResponse(body)(scope, receive, send)

    opened = await played.open("ann", "web")
    app, body = AuthMiddleware(echo, played.auth), (b"one ", b"two")
    peer = await Peer(app, sent_with(opened), kind="http", body=body).open()
    assert (await peer.over())["body"] == b"one two"
