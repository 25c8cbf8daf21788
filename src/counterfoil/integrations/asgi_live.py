"""A WebSocket or an event stream that ends with the credential of its request.

It lies between the server and the application. When the credential ends the peer is told, whatever
the application is doing, and the application finds itself disconnected, as if the peer had gone.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from counterfoil.errors import CounterfoilError
from counterfoil.integrations.live import close_code
from counterfoil.integrations.live_watch import follow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from counterfoil.credential import Verified
    from counterfoil.holding import Holding
    from counterfoil.integrations.issuer import Receive, Scope, Send

    Message = MutableMapping[str, Any]

T = TypeVar("T")

PATIENCE: Final = 2.0  # seconds for a peer that does not read; then the server is left to drop it
_TURN: Final = 0.01  # seconds for which one connection may go on sending
_EVENT_STREAM: Final = b"text/event-stream"
_LAST: Final = ("websocket.close", "http.response.body")
_RAISING: Final = [2, 4]  # ASGI's version from which sending to a peer that has gone raises OSError


class Disconnected(OSError):
    """What `send` raises once the connection has been ended."""


class LiveConnection:
    """One connection that may outlive the check of its credential.

    It refers to no scope, so that no request waits for the garbage collector.
    """

    __slots__ = (
        "_asgi",
        "_close_message",
        "_closing",
        "_gave_way_at",
        "_holding",
        "_is_ended",
        "_is_over",
        "_is_told",
        "_is_websocket",
        "_is_whole",
        "_leave",
        "_receive",
        "_send",
        "_waiting",
    )

    def __init__(self, holding: Holding, scope: Scope, receive: Receive, send: Send) -> None:
        self._holding = holding
        self._receive = receive
        self._send = send
        self._asgi: MutableMapping[str, Any] = scope.get("asgi") or {}
        self._is_websocket = self._is_whole = scope["type"] == "websocket"
        self._is_over = False
        self._is_ended = False
        self._is_told = False
        self._gave_way_at = 0.0
        self._close_message: Message = {}
        self._waiting: tuple[asyncio.Timeout, ...] = ()
        self._closing: asyncio.Task[None] | None = None
        self._leave: Callable[[], None] | None = None

    def begin(self, verified: Verified, end: Callable[[CounterfoilError], bool]) -> None:
        """The connection is open: follows the credential from now on. end: is told why that has
        ended, and says whether the connection depends on it."""

        def ended(why: CounterfoilError) -> None:
            if not self._is_over and end(why):
                self._end(why)

        self._leave = follow(self._holding, verified, ended)

    async def receive(self) -> Message:
        """What the peer sends; once the connection has been ended, that it has gone."""
        if not self._is_whole:  # the request: nobody waits long for that
            message = await self._receive()
            self._is_whole = not message.get("more_body", False)
            return message
        if not self._is_ended:
            with suppress(Disconnected):
                message = await self._unless_ended(self._receive())
                if not self._is_ended:
                    return message
        return await self._gone()

    async def send(self, message: Message) -> None:
        """Passes on what the application sends; once the connection has been ended, nothing."""
        if not self._is_ended:
            if message["type"] in _LAST and not message.get("more_body", False):
                self._finish()
            with suppress(Disconnected):
                await self._unless_ended(self._send(message))
                await self._give_way()
                return
        if message["type"] != "websocket.close" and _raises(self._asgi):
            raise Disconnected("This connection was ended with its credential.")
        await asyncio.sleep(0)  # whoever sends and sends may not keep all others waiting

    async def _give_way(self) -> None:
        """Where a peer reads as fast as is sent, sending waits for nothing, and nobody else would
        have a turn, not even whoever has to end this."""
        now = time.monotonic()
        if now - self._gave_way_at > _TURN:
            self._gave_way_at = now
            await asyncio.sleep(0)

    async def leave(self) -> None:
        """The application has returned: nothing is left behind."""
        self._finish()
        if self._closing is not None:
            await self._closing

    def has_caused(self, error: BaseException) -> bool:
        """Whether the application raised this because it found itself disconnected, or was told by
        `current_session` what the peer has been told already."""
        cause: BaseException | None = error if self._is_ended else None
        while cause is not None and not isinstance(cause, (Disconnected, CounterfoilError)):
            if isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
                cause = cause.exceptions[0]
            else:
                cause = cause.__cause__ or cause.__context__
        return cause is not None

    def _finish(self) -> None:
        self._is_over = True
        if self._leave is not None:
            self._leave()
            self._leave = None

    def _end(self, why: CounterfoilError) -> None:
        self._is_over = self._is_ended = True
        self._close_message = {"type": "http.response.body", "body": b"", "more_body": False}
        if self._is_websocket:
            reason = {"code": close_code(why), "reason": why.code}
            self._close_message = {"type": "websocket.close", **reason}
        loop = asyncio.get_running_loop()
        for wait in self._waiting:
            wait.reschedule(loop.time())
        self._closing = loop.create_task(self._close())

    async def _close(self) -> None:
        # How a server refuses, where the peer has gone by itself, is its own affair.
        with suppress(Exception):
            async with asyncio.timeout(PATIENCE):
                await self._send(self._close_message)

    async def _unless_ended(self, call: Awaitable[T]) -> T:
        """Raises `Disconnected` as soon as the connection is ended, whatever is waited for."""
        wait = asyncio.timeout(None)
        try:
            async with wait:
                self._waiting = (*self._waiting, wait)
                return await call
        except TimeoutError:
            if wait.expired():
                raise Disconnected from None
            raise
        finally:
            self._waiting = tuple(each for each in self._waiting if each is not wait)

    async def _gone(self) -> Message:
        if not self._is_websocket:
            await asyncio.sleep(0)
            return {"type": "http.disconnect"}
        while self._is_told:
            # Servers let whoever asks once more wait; what the peer sent before is not looked at.
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return message
        self._is_told = True
        return {**self._close_message, "type": "websocket.disconnect"}


def is_live(message: Message, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a connection is a live one from this message on."""
    return message["type"] == "websocket.accept" or (
        message["type"] == "http.response.start"
        and any(
            name.lower() == b"content-type" and value.lower().startswith(_EVENT_STREAM)
            for name, value in headers
        )
    )


def _raises(asgi: MutableMapping[str, Any]) -> bool:
    version = str(asgi.get("spec_version", "2.0"))
    return [int(part) for part in version.split(".")] >= _RAISING
