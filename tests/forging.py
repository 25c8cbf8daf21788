"""Tokens made by hand: what a careless or a hostile issuer would sign."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from counterfoil.client import Algorithm
from counterfoil.keys import SigningKeySet

if TYPE_CHECKING:
    from collections.abc import Mapping

ISSUER: Final = "https://app.example"
NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND: Final = int(NOW.timestamp())
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
KEYS: Final = SigningKeySet.generate(now=NOW).with_purpose("status", now=NOW)
PUBLIC: Final = KEYS.public()


def segment(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def opened(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def header(algorithm: Algorithm = "ES256", **changes: object) -> dict[str, object]:
    """The header of an honest token, with changes; None takes a member out."""
    members = {"alg": algorithm, "kid": KEYS.active(algorithm).kid, "typ": "at+jwt", **changes}
    return {name: value for name, value in members.items() if value is not None}


def payload(**changes: object) -> bytes:
    """The payload of an honest token, with changes; None takes a member out."""
    members: dict[str, Any] = {
        "iss": ISSUER,
        "sub": "user-17",
        "aud": "api",
        "exp": SECOND + 300,
        "iat": SECOND,
        "jti": "n9bJGIVoRhrBt1yCSZuGlw",
        "sid": "Zk1pQhbKTfqkmFvJtJtBxw",
        "client_id": "api",
        "auth_time": SECOND,
        "roles": ["admin"],
        **changes,
    }
    return json.dumps({n: value for n, value in members.items() if value is not None}).encode()


def signed(
    head: Mapping[str, object] | bytes, body: bytes = b"{}", *, algorithm: Algorithm = "ES256"
) -> str:
    """A token with a good signature by the active key, whatever its header says."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    signing_input = f"{segment(text)}.{segment(body)}"
    signature = KEYS.active(algorithm).material.signature(signing_input.encode())
    return f"{signing_input}.{segment(signature)}"
