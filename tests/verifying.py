"""A verifier to play with, and the issuer that it trusts: a real server with forged tokens."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from counterfoil import Verifier
from counterfoil.errors import AuthError
from counterfoil.testing.clock import FrozenClock
from forging import NOW, PUBLIC, header, payload, signed
from serving import answering, bytes_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from counterfoil.client import Algorithm
    from serving import Server

JWKS: Final = PUBLIC.to_jwks()
HANDLE: Final = "cf_" + "a" * 60
STATUS: Final = {"status_list": {"idx": 3, "uri": "https://app.example/status/lists/a"}}


@dataclass(frozen=True, slots=True)
class Scene:
    """A verifier of an issuer that publishes keys, and a clock that stands still."""

    server: Server
    clock: FrozenClock
    verifier: Verifier

    def token(self, algorithm: Algorithm = "ES256", **changes: object) -> str:
        claims = payload(iss=self.server.url, **changes)
        return signed(header(algorithm), claims, algorithm=algorithm)

    def asked_for(self, path: str) -> int:
        """How often the issuer was asked for this."""
        return sum(head.split(" ", 2)[1].startswith(path) for head in self.server.asked)

    def refusal(self, token: str) -> AuthError:
        with pytest.raises(AuthError) as caught:
            self.verifier.check(token)
        return caught.value


@contextmanager
def scene(jwks: Any = JWKS, *, session: bytes = b"", **settings: Any) -> Iterator[Scene]:
    """`session`: what the issuer answers at /v1/session. It has no status."""

    def reply(connection: socket.socket, head: str) -> None:
        path = head.split(" ", 2)[1]
        if path.startswith("/status/"):
            answer = bytes_of(b"", status=404)
        elif path == "/v1/session?confirm=true":
            answer = session
        else:
            answer = bytes_of(json.dumps(jwks).encode())
        connection.sendall(answer)

    clock = FrozenClock(now=NOW)
    with (
        answering(reply) as server,
        Verifier(issuer=server.url, **{"audience": "api", "clock": clock, **settings}) as verifier,
    ):
        yield Scene(server, clock, verifier)
