"""An ASGI application that does nothing but answer: the floor of whole requests."""

from __future__ import annotations

from typing import Any


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await say(send, b"ann")


async def say(send: Any, body: bytes) -> None:
    """Sends the shortest sound answer with this body."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
