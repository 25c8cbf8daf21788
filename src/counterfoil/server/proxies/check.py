"""`/v1/check`: whether a proxy may let a request through, and who sent it.

Raw ASGI, for it is asked at every request to the applications behind the proxy. What is checked
is the request that the proxy asks about, by the headers that the proxy passes on. nginx takes
every status but 2xx, 401 and 403 for a failure of its own, so a request is refused with 401, 403
or 503; 400 is for the operator, whose proxy asks what is not understood.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from counterfoil.carriers import bearer
from counterfoil.errors import (
    AuthError,
    CounterfoilError,
    Forbidden,
    IssuerUnavailable,
    Malformed,
)
from counterfoil.integrations.problem import Problem, problem
from counterfoil.server.proxies.forwarded import is_trusted, original_method, original_uri
from counterfoil.server.proxies.question import AS_SENT, PATH, Questions
from counterfoil.server.proxies.return_path import login_address

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from counterfoil.credential import Verified
    from counterfoil.server.api.context import Context
    from counterfoil.server.proxies.question import Question

_log = logging.getLogger("counterfoil.server")
_READS: Final = frozenset({"GET", "HEAD"})
_UNKNOWN: Final = "unknown"  # no safe method, so a cookie counts only from the site itself


class Check:
    """Answers the checks of proxies; passes every other request on."""

    def __init__(self, app: ASGIApp, parts: Context) -> None:
        self._app = app
        self._parts = parts
        self._questions = Questions(parts.clients, pages_client=parts.pages_client)
        self._root = urlsplit(parts.auth.issuer).path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_check(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            question = self._questions.read(scope)
        except CounterfoilError as error:
            await _send(problem(error), send)
            return
        try:
            verified = await self._check(scope, question)
        except CounterfoilError as error:
            await _send(self._refusal(error, scope, question), send)
        else:
            headers = [*_about(verified), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body"})

    async def _check(self, scope: Scope, question: Question) -> Verified:
        method = _unless_websocket(self._method(scope, question), scope)
        given = self._parts.carriers.require(method, scope["headers"], client_id=question.client_id)
        verified = await self._parts.auth.check(given, audience=question.audience)
        if question.role is not None and question.role not in verified.roles:
            raise Forbidden(f"This needs the role {question.role}.")
        return verified

    def _method(self, scope: Scope, question: Question) -> str:
        """The method of the request that is asked about.

        nginx and others ask with GET whatever was sent, so GET says nothing: a trusted proxy has
        to. Another method can only have come from the client.
        """
        asked: str = scope["method"]
        if asked not in _READS:
            return asked if asked != "OPTIONS" else _UNKNOWN
        peer, trusted = _peer(scope), self._parts.networks
        if question.is_as_sent:
            return asked if is_trusted(peer, trusted) else _UNKNOWN
        return original_method(peer, scope["headers"], trusted) or _UNKNOWN

    def _refusal(self, error: CounterfoilError, scope: Scope, question: Question) -> Problem:
        found = problem(error)
        if found.status in {403, 503}:
            return found
        if not isinstance(error, AuthError):
            _log.error("the set-up is wrong: %s", error.detail)
            return problem(IssuerUnavailable())
        refused = HTTPStatus.UNAUTHORIZED
        if found.status != refused:  # malformed, too large: nothing that could be checked
            found = Problem(
                refused,
                [*found.headers, bearer.challenge(error)],
                {**found.body, "status": refused.value, "title": refused.phrase},
            )
        return self._with_login(found, scope, question)

    def _with_login(self, found: Problem, scope: Scope, question: Question) -> Problem:
        """Where to sign in, for a person who opens a page; a program gets the bare refusal."""
        if question.login is None or self._method(scope, question) not in _READS:
            return found
        headers = scope["headers"]
        accepts = b",".join(value for name, value in headers if name == b"accept")
        uri = original_uri(_peer(scope), headers, self._parts.networks)
        if uri is None or b"text/html" not in accepts.lower():
            return found
        with suppress(Malformed):
            address = login_address(self._root, uri).encode("ascii")
            if question.login == "redirect":
                return found._replace(status=302, headers=[*found.headers, (b"location", address)])
            return found._replace(headers=[*found.headers, (b"x-auth-login", address)])
        return found


def _is_check(path: str) -> bool:
    return path == PATH or path.startswith(AS_SENT)


def _peer(scope: Scope) -> str:
    return scope["client"][0] if scope["client"] else ""


def _unless_websocket(method: str, scope: Scope) -> str:
    """A WebSocket opens with GET, and what another site says through it is no read. Proxies do
    not pass Upgrade on; this header only browsers and WebSocket clients can set."""
    is_opening = any(name == b"sec-websocket-key" for name, _ in scope["headers"])
    return _UNKNOWN if is_opening else method


def _about(verified: Verified) -> list[tuple[bytes, bytes]]:
    """All of them, always: the proxy has something to put in the place of the client's own."""
    return [
        (b"x-auth-subject", verified.subject.encode("ascii")),
        (b"x-auth-session", verified.session_id.encode("ascii")),
        (b"x-auth-client", verified.client_id.encode("ascii")),
        (b"x-auth-roles", ",".join(verified.roles).encode("ascii")),
    ]


async def _send(found: Problem, send: Send) -> None:
    body = json.dumps(found.body).encode()
    headers = [*found.headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
