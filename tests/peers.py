"""Peers of live connections and an ASGI server between, without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from waiting import come_true

if TYPE_CHECKING:
    from collections.abc import Callable

    from asking import App, Headers

PATIENCE = 10.0  # seconds; how long anything here may take before it counts as hanging


@dataclass
class Peer:
    """One connection of an application: what it was sent, and what the peer says.

    spec: the version of ASGI that the server speaks; from 2.4 on, sending to who has gone raises.
    """

    app: App
    headers: Headers
    kind: str = "websocket"
    spec: str = "2.4"
    extensions: dict[str, Any] = field(default_factory=dict)
    body: tuple[bytes, ...] = (b"",)
    sent: list[Any] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    _said: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    _running: asyncio.Task[None] | None = None

    async def open(self) -> Peer:
        """The connection, as soon as the application has begun to answer, or has returned."""
        self.reads.set()
        scope = {
            "type": self.kind,
            "asgi": {"version": "3.0", "spec_version": self.spec},
            "path": "/",
            "headers": self.headers,
            "extensions": self.extensions,
        }
        if self.kind == "websocket":
            self.say({"type": "websocket.connect"})
        else:
            scope["method"] = "GET"
            for number, part in enumerate(self.body, start=1):
                more = number < len(self.body)
                self.say({"type": "http.request", "body": part, "more_body": more})
        self._running = asyncio.create_task(self.app(scope, self._said.get, self._send))  # type: ignore[arg-type]
        await self.until(lambda: self.sent or self.is_over)
        return self

    def say(self, message: Any) -> None:
        self._said.put_nowait(message)

    def text(self, text: str) -> None:
        self.say({"type": "websocket.receive", "text": text})

    @property
    def is_over(self) -> bool:
        """Whether the application has returned."""
        return self._running is not None and self._running.done()

    @property
    def last(self) -> Any:
        """What was sent last, without its headers."""
        return {name: value for name, value in self.sent[-1].items() if name != "headers"}

    @property
    def texts(self) -> list[str]:
        """What a WebSocket was sent."""
        return [each["text"] for each in self.sent if each["type"] == "websocket.send"]

    async def over(self) -> Any:
        """When the application has returned: what was sent last. Raises what it raised."""
        assert self._running is not None
        async with asyncio.timeout(PATIENCE):
            await self._running
        return self.last

    async def closed(self) -> Any:
        """The code and the reason that a WebSocket was closed with."""
        await self.until(lambda: self.sent[-1]["type"] == "websocket.close")
        return self.last["code"], self.last["reason"]

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits for what the application does."""
        await come_true(holds)

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)
