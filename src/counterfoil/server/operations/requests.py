"""Every request: its id, its line in the log, and what is counted of it.

A line at INFO holds nothing that tells who asked or for whom: the route as it is written in the
program, never the address that was asked for; no query, no header, no identifier, no subject.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final

from structlog.contextvars import bind_contextvars, bound_contextvars

from counterfoil.errors import IssuerUnavailable
from counterfoil.integrations.problem import problem
from counterfoil.server.proxies.forwarded import client_address, is_trusted

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from counterfoil.server.operations.metrics import Metrics
    from counterfoil.server.proxies.forwarded import Network
    from counterfoil.stores.durability import Durability

HEADER: Final = b"x-request-id"
DURABILITY: Final = b"counterfoil-durability"  # on every answer, where it is less than durable
NO_ROUTE: Final = "none"
NO_METHOD: Final = "none"

# Hexadecimal, so that nobody's name, handle or token comes to be an id in our log.
_ID: Final = re.compile(rb"[0-9A-Fa-f-]{16,64}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CODE: Final = re.compile(rb'"code":\s?"([a-z_]{1,40})"')
_QUIET: Final = frozenset({"/livez", "/readyz", "/metrics", "/status/feed"})
_log = logging.getLogger("counterfoil.request")


@dataclass(slots=True)
class Asked:
    """One request, and what came to be known of it on the way."""

    id: str
    method: str
    route: str = NO_ROUTE
    status: int = 0
    code: str | None = None
    strategy: str | None = None
    client_id: str | None = None


_current: ContextVar[Asked | None] = ContextVar("asked", default=None)


def tell(
    *, strategy: str | None = None, client_id: str | None = None, code: str | None = None
) -> None:
    """Has the line of the present request say this too; nothing where there is none."""
    asked = _current.get()
    if asked is not None:
        asked.strategy = strategy or asked.strategy
        asked.client_id = client_id or asked.client_id
        asked.code = code or asked.code


def route_taken() -> str:
    """The template of the route that the present request took."""
    asked = _current.get()
    return NO_ROUTE if asked is None else asked.route


class Requests:
    """Around the whole application, refusals and failures included."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        trusted: tuple[Network, ...],
        is_draining: Callable[[], bool],
        durability: Durability = "durable",
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._trusted = trusted
        self._is_draining = is_draining
        self._weaker = [] if durability == "durable" else [(DURABILITY, durability.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        method = scope["method"]
        asked = Asked(self._id(scope), method if method in _METHODS else "other")
        _current.set(asked)
        bind_contextvars(request_id=asked.id)
        self._metrics.in_flight.inc()

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked.status = message["status"]
                named = [*message["headers"], (HEADER, asked.id.encode()), *self._weaker]
                if self._is_draining():
                    named.append((b"connection", b"close"))
                message = {**message, "headers": named}
            elif asked.status >= 400 and (found := _CODE.search(message.get("body", b""))):  # noqa: PLR2004 - from here on HTTP refuses
                asked.code = found[1].decode()
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except asyncio.CancelledError:
            if asked.status:
                raise
            await _cut_off(send_named)
        finally:
            self._metrics.in_flight.dec()
            self._told(asked, perf_counter() - began, scope)

    def refused(self, status: int, code: str) -> str:
        """Notes what was refused before it was a request; the id to answer it with."""
        asked = Asked(secrets.token_hex(16), NO_METHOD, status=status, code=code)
        with bound_contextvars(request_id=asked.id):
            self._told(asked, 0.0, None)
        return asked.id

    def _id(self, scope: Scope) -> str:
        """The id that a trusted proxy gave, if it is one; else a new one."""
        client = scope["client"]
        if self._trusted and client and is_trusted(client[0], self._trusted):
            given: list[bytes] = [value for name, value in scope["headers"] if name == HEADER]
            if len(given) == 1 and _ID.fullmatch(given[0]):
                return given[0].decode()
        return secrets.token_hex(16)

    def _told(self, asked: Asked, seconds: float, scope: Scope | None) -> None:
        status = str(asked.status) if asked.status else "none"
        self._metrics.requests.count(asked.method, asked.route, status)
        self._metrics.request_seconds.observe(asked.route, seconds)
        level = logging.DEBUG if asked.route in _QUIET else logging.INFO
        if not _log.isEnabledFor(level):
            return
        line = {
            "method": asked.method,
            "route": asked.route,
            "status": asked.status,
            "duration_ms": round(seconds * 1000, 2),
        }
        for name in ("code", "strategy", "client_id"):
            if (value := getattr(asked, name)) is not None:
                line[name] = value
        if scope is not None and scope["client"] and _log.isEnabledFor(logging.DEBUG):
            line["address"] = client_address(scope["client"][0], scope["headers"], self._trusted)
        # `log` would first look through the stack for who called it, which no line says.
        told = {"members": line}
        _log.handle(_log.makeRecord(_log.name, level, "", 0, "request", (), None, extra=told))


async def _cut_off(send: Send) -> None:
    """The answer where the time to finish is over: whether it was done is not known."""
    status, headers, members = problem(IssuerUnavailable("This server has stopped."))
    body = json.dumps(members).encode()
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Routed:
    """Near the router: notes the route that was taken, by the way it is written there. raw: the
    addresses that are answered before the router is asked."""

    def __init__(self, app: ASGIApp, *, raw: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._raw = raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            asked = _current.get()
            if asked is not None and scope["type"] == "http":
                asked.route = scope["path"] if scope["path"] in self._raw else _template(scope)


def _template(scope: Scope) -> str:
    route = scope.get("route")
    if route is None and (endpoint := scope.get("endpoint")) is not None:
        # Only FastAPI's own routes are named in the scope.
        routes = scope["app"].router.routes
        route = next((each for each in routes if _leads_to(each) is endpoint), None)
    return getattr(route, "path", NO_ROUTE)


def _leads_to(route: object) -> object:
    return getattr(route, "endpoint", None) or getattr(route, "app", None)
