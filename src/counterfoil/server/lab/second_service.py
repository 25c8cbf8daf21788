"""A service of somebody else's, in a process of its own, which only checks tokens.

It is told an issuer's URL, and follows that with a `Verifier` for each audience. Or it is told a
public key set and nothing more: then it asks nobody for anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter
from typing import Any, Final, cast

from counterfoil import token as tokens
from counterfoil.errors import CounterfoilError, CredentialMissing
from counterfoil.integrations.problem import status_of
from counterfoil.keys import PublicKeySet
from counterfoil.server.lab.child import given, say, when_told_to_end
from counterfoil.verifier import Verifier

_BEARER: Final = "Bearer "
Found = tuple[str, list[str]]
Check = Callable[[str], Found]


class _Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, checks: dict[str, Check]) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.checks = checks


class _Answering(BaseHTTPRequestHandler):
    """`GET /AUDIENCE`: who is calling, as the token says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        check = cast("_Service", self.server).checks.get(self.path.strip("/"))
        if check is None:
            self._answer(404, {})
            return
        began = perf_counter()
        try:
            subject, roles = check(self._token())
        except CounterfoilError as refused:
            self._answer(status_of(refused), {"code": refused.code}, perf_counter() - began)
        else:
            self._answer(200, {"subject": subject, "roles": roles}, perf_counter() - began)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _token(self) -> str:
        field = self.headers.get("Authorization", "")
        if not field.startswith(_BEARER):
            raise CredentialMissing
        return field.removeprefix(_BEARER)

    def _answer(self, status: int, members: dict[str, Any], seconds: float = 0.0) -> None:
        body = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Server-Timing", f"app;dur={seconds * 1000:.4f}")
        self.end_headers()
        self.wfile.write(body)


def _following(issuer: str, audience: str) -> Check:
    verifier = Verifier(issuer=issuer, audience=audience)
    verifier.__enter__()  # it ends with the process

    def check(token: str) -> Found:
        verified = verifier.check(token)
        return verified.subject, list(verified.roles)

    return check


def _by_key_alone(jwks: dict[str, Any], issuer: str, audience: str) -> Check:
    keys = PublicKeySet.from_jwks(jwks)

    def check(token: str) -> Found:
        now = datetime.now(UTC)
        found = tokens.check(
            token, keys=keys, issuer=issuer, audience=audience, typ="at+jwt", now=now
        )
        return found.sub, list(found.claims.get("roles", ()))

    return check


def main() -> None:
    """What the process runs."""
    told = given()
    issuer, audiences = told["issuer"], told["audiences"]
    if "jwks" in told:
        checks = {each: _by_key_alone(told["jwks"], issuer, each) for each in audiences}
    else:
        checks = {each: _following(issuer, each) for each in audiences}
    service = _Service(checks)
    when_told_to_end(service.shutdown)
    say(port=service.server_port)
    service.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
