"""One request and its answer as the middleware sees them: what was found, and what leaves."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from counterfoil.carriers.cookie import cookie_name
from counterfoil.errors import CounterfoilError, CredentialMissing
from counterfoil.integrations.asgi_live import is_live
from counterfoil.integrations.live import close_code
from counterfoil.integrations.problem import problem, status_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from counterfoil.credential import Presented, Verified
    from counterfoil.integrations.asgi_live import LiveConnection
    from counterfoil.integrations.issuer import Scope, Send
    from counterfoil.outcome import Opened

HeaderList: TypeAlias = list[tuple[bytes, bytes]]
Stage: TypeAlias = Literal["waiting", "accepted", "over"]

DENIAL: Final = "websocket.http.response"  # ASGI's extension: a handshake refused with an answer
_STAGE_AFTER: Final[dict[str, Stage]] = {
    "http.response.start": "over",
    "websocket.accept": "accepted",
    "websocket.close": "over",
    f"{DENIAL}.start": "over",
}
_OURS: Final = HTTPStatus.INTERNAL_SERVER_ERROR  # a fault on this side, for the developer to see
_VARY: Final = (b"Cookie", b"Authorization")
_BELIEVED_BEFORE: Final = (b"surrogate-control", b"x-accel-expires")  # Fastly's, nginx's
_OWN_COOKIES: Final = cookie_name("").encode()


class Renewal(NamedTuple):
    """The cookies that an answer is to set, by name, and what makes them."""

    names: frozenset[bytes]
    make: Callable[[], Awaitable[HeaderList]]


class Exchange:
    """What a request presented and what its check said, until its answer has begun.

    presented: the credential as it stands now, which is the new one once it was renewed; opened:
    that renewal. at_answer: makes the cookies that the answer is to set, as it begins. was_read:
    whether what is above has asked for the session or its credential. It refers to no scope, so
    that no request waits for the garbage collector.
    """

    __slots__ = (
        "_live",
        "_send",
        "at_answer",
        "is_bearer",
        "opened",
        "presented",
        "refusal",
        "stage",
        "verified",
        "was_read",
    )

    def __init__(self, send: Send) -> None:
        self._send = send
        self._live: LiveConnection | None = None
        self.at_answer: Renewal | None = None
        self.is_bearer = False
        self.opened: Opened | None = None
        self.presented: Presented | None = None
        self.refusal: CounterfoilError | None = None
        self.stage: Stage = "waiting"
        self.verified: Verified | None = None
        self.was_read = False

    def refuse(self, why: CounterfoilError) -> None:
        """Keeps a refusal for whoever reads it; its frames, which lead back here, are let go."""
        self.refusal = why.with_traceback(None)

    def outlives(self, live: LiveConnection) -> None:
        """What lies below from the moment at which the answer turns out to be a live connection."""
        self._live = live

    def end(self, why: CounterfoilError) -> bool:
        """What was verified holds no longer; who reads from now on is told. Returns whether the
        connection depends on it: whether anybody has read it, that is."""
        self.verified = None
        self.refuse(why)
        if self.was_read:
            self.stage = "over"
        return self.was_read

    def current(self) -> Verified:
        """Raises what the check raised, and `CredentialMissing` when nothing was presented."""
        self.was_read = True
        if self.verified is not None:
            return self.verified
        raise self.refusal or CredentialMissing()

    def optional(self) -> Verified | None:
        """None when nothing was presented, or a cookie was refused with 401; else as `current`."""
        self.was_read = True
        if self.refusal is None:
            return self.verified
        if not self.is_bearer and status_of(self.refusal) == HTTPStatus.UNAUTHORIZED:
            return None
        raise self.refusal

    def credential(self) -> Presented | None:
        """What was presented, as it stands now."""
        self.was_read = True
        return self.presented

    def send(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        """Passes on what the application sends; its start gets the headers that belong there."""
        kind = message["type"]
        if kind not in _STAGE_AFTER:
            return self._send(message)
        if self.at_answer is not None:
            return self._send_renewed(message)
        return self._begin(message, [])

    async def _send_renewed(self, message: MutableMapping[str, Any]) -> None:
        """The start of an answer that brings new cookies; none where the application sets or clears
        one of them itself: it has signed somebody in or out, and no handle is spent for that."""
        renewal, self.at_answer = self.at_answer, None
        is_closed = message["type"] == "websocket.close"
        is_refused = is_closed and self.stage == "waiting"
        cookies: HeaderList = []
        if renewal is not None and (is_refused or not is_closed):
            own = {_name(value) for name, value in message.get("headers", ()) if _sets(name)}
            cookies = [] if own & renewal.names else await renewal.make()
        if is_refused and cookies:
            self.stage = "over"
            denied = {"type": f"{DENIAL}.start", "status": int(HTTPStatus.FORBIDDEN)}
            await self._begin({**denied, "headers": [(b"content-length", b"0")]}, cookies)
            await self._send({"type": f"{DENIAL}.body", "body": b""})
        else:
            await self._begin(message, cookies)

    def _begin(self, message: MutableMapping[str, Any], cookies: HeaderList) -> Awaitable[None]:
        kind = message["type"]
        self.stage = _STAGE_AFTER[kind]
        headers = [(name, value) for name, value in message.get("headers", ())]
        if self.was_read or cookies or any(map(_hands_out, headers)):
            if kind != "websocket.accept":
                headers = unshared(headers)
            headers = [*headers, *cookies]
        if headers and kind != "websocket.close":
            message = {**message, "headers": headers}
        live, verified = self._live, self.verified
        if live is not None and verified is not None and is_live(message, headers):
            return self._open(live, verified, message)
        return self._send(message)

    async def _open(
        self, live: LiveConnection, verified: Verified, message: MutableMapping[str, Any]
    ) -> None:
        self._live, self._send = None, live.send
        await self._send(message)
        live.begin(verified, self.end)

    async def take(self, error: Exception, scope: Scope) -> bool:
        """Answers an error of the application above; False when it is not ours to answer.

        A group of one, as task groups make them, is that one.
        """
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            (error,) = error.exceptions
        if isinstance(error, CounterfoilError) and status_of(error) != _OURS:
            return await self._take_refusal(error, scope)
        return False

    async def _take_refusal(self, error: CounterfoilError, scope: Scope) -> bool:
        if self.stage == "over":
            return False
        kind = _kind(scope)
        if self.stage == "accepted" or not can_answer(scope):
            code = close_code(error)
            await self.send({"type": "websocket.close", "code": code, "reason": error.code})
            return True
        told = problem(error)
        body = json.dumps(told.body).encode()
        headers = [*told.headers, (b"content-length", b"%d" % len(body))]
        is_head = scope.get("method") == "HEAD"
        await self._answer(kind, told.status, headers, b"" if is_head else body)
        return True

    async def _answer(self, kind: str, status: int, headers: HeaderList, body: bytes = b"") -> None:
        if not headers:
            headers = [(b"content-length", b"0")]
        await self.send({"type": f"{kind}.start", "status": int(status), "headers": headers})
        await self._send({"type": f"{kind}.body", "body": body})


def can_answer(scope: Scope) -> bool:
    """Whether every way out has headers; a handshake that is merely closed has none."""
    return scope["type"] == "http" or DENIAL in (scope.get("extensions") or ())


def _kind(scope: Scope) -> str:
    return "http.response" if scope["type"] == "http" else DENIAL


def unshared(headers: HeaderList) -> HeaderList:
    """With `no-store`, and a Vary that names both carriers: for no cache, and nobody else. What
    caches believe before that, as RFC 9213 lets them, is left out."""
    others: HeaderList = []
    said: dict[bytes, list[bytes]] = {b"cache-control": [], b"vary": []}
    for header in headers:
        name = header[0].lower()
        if name in said:
            said[name] += [each.strip() for each in header[1].split(b",")]
        elif not name.endswith(b"-cache-control") and name not in _BELIEVED_BEFORE:
            others.append(header)
    control, vary = said.values()
    if b"no-store" not in (each.lower() for each in control):
        control = [b"no-store"]
    if b"*" not in vary:
        named = {each.lower() for each in vary}
        vary += [each for each in _VARY if each.lower() not in named]
    return [*others, (b"cache-control", b", ".join(control)), (b"vary", b", ".join(vary))]


def _hands_out(header: tuple[bytes, bytes]) -> bool:
    """Whether it sets or clears a cookie of ours. Caches may keep those too (RFC 9111 §7.3), and
    would sign others in."""
    return _sets(header[0]) and _name(header[1]).startswith(_OWN_COOKIES)


def _sets(name: bytes) -> bool:
    return name.lower() == b"set-cookie"


def _name(cookie: bytes) -> bytes:
    return cookie.partition(b"=")[0].strip()
