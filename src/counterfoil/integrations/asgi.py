"""Middleware for any ASGI application: it checks, everything above only reads the result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from counterfoil.carriers.clients import ClientCarriers
from counterfoil.engine import Counterfoil
from counterfoil.errors import ConfigurationError
from counterfoil.integrations.asgi_checking import EngineCheck, VerifierCheck
from counterfoil.integrations.asgi_exchange import Exchange
from counterfoil.integrations.asgi_live import LiveConnection
from counterfoil.integrations.issuer import Receive, Scope, Send
from counterfoil.verifier import Verifier

if TYPE_CHECKING:
    from counterfoil.clock import Clock
    from counterfoil.credential import Presented, Verified
    from counterfoil.outcome import Opened

App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY: Final = "counterfoil"  # in the scope


class AuthMiddleware:
    """Checks the one credential of each HTTP request and WebSocket handshake, once.

    It refuses nothing by itself: what the check found or raised is told to whoever asks, with
    `current_session` or `optional_session`, and a `CounterfoilError` that the application lets
    through is answered as a problem (RFC 9457) if the answer has not begun. An answer for which
    the session or its credential was read, or which sets or clears a cookie of ours, is `no-store`
    and varies by both carriers. Cookie clients are kept signed
    in: where a credential has expired, or its claims are stale, and the refresh cookie is there,
    this request is served with a new one and its answer sets both cookies.

    A WebSocket whose session was read is closed when its credential is revoked, expires or can no
    longer be known, and an answer of type text/event-stream ends then; the application finds itself
    disconnected.

    One may lie within another: each is read by what it wraps, and what the outer one renewed counts
    for an inner one of the same engine.

    auth: a `Counterfoil`; or a `Verifier`, for a service that only verifies: then bearer headers
    alone count. audience: refuse credentials of any other. client_id: whose cookies count, where
    an engine has several cookie clients. origins: at which the site is reached besides the
    issuer's, for the cross-site rule. Raises `ConfigurationError` for what cannot work.
    """

    def __init__(
        self,
        app: App,
        auth: Counterfoil | Verifier,
        *,
        audience: str | None = None,
        client_id: str | None = None,
        origins: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._checking: EngineCheck | VerifierCheck
        if isinstance(auth, Verifier):
            if audience is not None or client_id is not None or tuple(origins):
                raise ConfigurationError(
                    "Give AuthMiddleware with a Verifier nothing else: the Verifier has its "
                    "audience, and cookies are for the application that holds the engine."
                )
            self._checking = VerifierCheck(auth)
        elif isinstance(auth, Counterfoil):
            _require_known(auth, audience, client_id)
            carriers = ClientCarriers(auth.clients, issuer=auth.issuer, origins=origins)
            self._checking = EngineCheck(auth, carriers, audience, client_id)
        else:
            raise ConfigurationError(
                "Give AuthMiddleware a Counterfoil, or a Verifier; an ASGI application has a "
                f"loop, so not a {type(auth).__name__}."
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        if not isinstance(scope["headers"], list):
            scope["headers"] = [*scope["headers"]]  # it is read more than once
        around = scope.get(KEY)
        if around is not None:
            scope = {**scope}  # what lies between the two goes on reading the outer one
        exchange = Exchange(send)
        await self._checking.look(scope, exchange, around)
        scope[KEY] = (exchange, self._checking)
        live: LiveConnection | None = None
        if exchange.verified is not None:
            live = LiveConnection(self._checking.holding, scope, receive, send)
            exchange.outlives(live)
            receive = live.receive
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as error:
            is_ended = live is not None and live.has_caused(error)
            if not is_ended and not await exchange.take(error, scope):
                raise
        finally:
            if live is not None:
                await live.leave()


def current_session(scope: Mapping[str, Any]) -> Verified:
    """Who is asking. Raises `CredentialMissing` when nothing was presented, else exactly what the
    check raised: an `AuthError` for no, `Unavailable` for cannot know.

    scope: of the connection, or a Starlette request or WebSocket. Ask before the answer begins.
    `ConfigurationError` where there is no `AuthMiddleware`.
    """
    return _found(scope)[0].current()


def optional_session(scope: Mapping[str, Any]) -> Verified | None:
    """Who is asking; None for a visitor: nothing was presented, or a cookie whose session is over
    (every refusal of a cookie with 401).

    A bearer header authenticates or raises, as do a cross-site request, one that cannot be read,
    and a suspended subject; `Unavailable` always raises, as nobody is made anonymous by an outage.
    """
    return _found(scope)[0].optional()


def presented_of(scope: Mapping[str, Any]) -> Presented | None:
    """The request's credential, checked or not: for `revoke_presented`, `step_up`, `confirm`.

    The new one, if it was renewed for this request; None without one, and where only a refresh
    cookie is left.
    """
    return _found(scope)[0].credential()


def renewed_of(scope: Mapping[str, Any]) -> Opened | None:
    """The credential that the middleware renewed for this request, None where it did not."""
    return _found(scope)[0].opened


def clock_of(scope: Mapping[str, Any]) -> Clock:
    """The clock that the checks go by, of a `Counterfoil` or a `Verifier`."""
    checking = _found(scope)[1]
    if isinstance(checking, VerifierCheck):
        return checking.verifier.clock
    return checking.auth.clock


def auth_of(scope: Mapping[str, Any]) -> Counterfoil:
    """The engine of the middleware. Raises `ConfigurationError` where it has a `Verifier`."""
    return _engine_check(scope).auth


def carriers_of(scope: Mapping[str, Any]) -> ClientCarriers:
    """What reads this application's requests, and makes the cookies of its answers. Raises
    `ConfigurationError` where the middleware has a `Verifier`."""
    return _engine_check(scope).carriers


def client_id_of(scope: Mapping[str, Any]) -> str | None:
    """Whose cookies count here, where the middleware was told."""
    return _engine_check(scope).client_id


def _found(scope: Mapping[str, Any]) -> tuple[Exchange, EngineCheck | VerifierCheck]:
    found: tuple[Exchange, EngineCheck | VerifierCheck] | None = scope.get(KEY)
    if found is None:
        raise ConfigurationError(
            "Add counterfoil.integrations.asgi.AuthMiddleware around what reads the session."
        )
    return found


def _engine_check(scope: Mapping[str, Any]) -> EngineCheck:
    checking = _found(scope)[1]
    if isinstance(checking, VerifierCheck):
        raise ConfigurationError(
            "Give AuthMiddleware the Counterfoil: a Verifier opens no sessions and sets no cookies."
        )
    return checking


def _require_known(auth: Counterfoil, audience: str | None, client_id: str | None) -> None:
    """A word that no client has would refuse everybody, or make them visitors."""
    clients = auth.clients.values()
    if audience is not None and audience not in {client.audience for client in clients}:
        raise ConfigurationError(
            f"No client has the audience {audience}: register it, or leave it out."
        )
    cookie_clients = {client.client_id for client in clients if client.carrier == "cookie"}
    if client_id is not None and client_id not in cookie_clients:
        raise ConfigurationError(
            f"No cookie client is named {client_id}: register it, or leave it out."
        )
