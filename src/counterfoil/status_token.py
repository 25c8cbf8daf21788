"""The signed status list: what an issuer publishes of one list (IETF Token Status List, draft 21).

A copy is good for a minute. It says at which position of the feed it stood, so that a verifier can
begin with it and read on from there; by itself it makes nobody's knowledge fresh.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from counterfoil import jws
from counterfoil.errors import ConfigurationError, Malformed
from counterfoil.status_change import Position
from counterfoil.status_list import BITS, StatusBits
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.keys import PublicKeySet, SigningKey

TYPE: Final = "statuslist+jwt"
MEDIA_TYPE: Final = f"application/{TYPE}"
TTL: Final = timedelta(seconds=60)  # also from iat to exp: what readers of lists alone are promised
LIMIT: Final = 1024 * 1024  # a full list of random entries, twice in base64, is half of that
_POSITION: Final = "counterfoil_position"
_LONGEST_EPOCH: Final = 64


@dataclass(frozen=True, slots=True)
class ListToken:
    """A list as it stood at `position`; its signature was good."""

    bits: StatusBits
    position: Position
    issued_at: int


def list_uri(issuer: str, list_id: str) -> str:
    """Where a list is published, and what tokens and the list itself call it."""
    return f"{issuer}/status/lists/{list_id}"


def issue(
    uri: str, bits: StatusBits, position: Position, *, issuer: str, key: SigningKey, now: datetime
) -> str:
    """The signed list, good until `TTL` from now. Packing a full list takes some milliseconds."""
    if key.purpose != "status":
        raise ConfigurationError("Sign status lists with a key whose purpose is status.")
    issued_at = int(now.timestamp())
    ttl = int(TTL.total_seconds())
    members = {
        "iss": issuer,
        "sub": uri,
        "iat": issued_at,
        "exp": issued_at + ttl,
        "ttl": ttl,
        "status_list": {"bits": BITS, "lst": _encode(bits.packed())},
        _POSITION: [position.epoch, position.number],
    }
    payload = json.dumps(members, separators=(",", ":")).encode()
    return jws.sign(payload, key.material, kid=key.kid, typ=TYPE)


def read(token: str, *, keys: PublicKeySet, issuer: str, uri: str, size: int) -> ListToken:
    """The list published at this URI (§8.3).

    Raises the `AuthError` of what is wrong: its signature, its type, another list, another size.
    Its age is the caller's to judge: `issued_at` is the issuer's wall time in seconds.
    """
    signed = keys.verify(token, purpose="status", limit=LIMIT)
    if not signed.header.is_type(TYPE):
        raise Malformed("This is not a status list.")
    members = parse_object(signed.payload, limit=LIMIT)
    if members.get("iss") != issuer or members.get("sub") != uri:
        raise Malformed("This is another status list than the one that was asked for.")
    issued_at, exp = members.get("iat"), members.get("exp")
    if type(issued_at) is not int or exp != issued_at + int(TTL.total_seconds()):
        raise Malformed("A status list does not say how long it is good.")
    listed = members.get("status_list")
    if not isinstance(listed, dict) or type(listed.get("bits")) is not int:
        raise Malformed("A status list does not say its bits.")
    if listed["bits"] != BITS:
        raise Malformed(f"A status list of this issuer has {BITS} bits for each entry.")
    bits = StatusBits.unpacked(_decode(listed.get("lst")), size=size)
    return ListToken(bits, _position(members), issued_at)


def _position(members: Mapping[str, Any]) -> Position:
    value = members.get(_POSITION)
    if not isinstance(value, list) or [type(each) for each in value] != [str, int]:
        raise Malformed("A status list does not say where in the feed it stands.")
    epoch, number = value
    if not 0 < len(epoch) <= _LONGEST_EPOCH or number < 0:
        raise Malformed("A status list does not say where in the feed it stands.")
    return Position(epoch, number)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: object) -> bytes:
    if not isinstance(text, str) or not jws.is_base64url(text):
        raise Malformed("A status list is not canonical base64url.")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
