"""The opaque text of a session: make, parse, succeed, digest.

`cf_` and 60 characters of base64url, which are 45 bytes:

    1  format (high half) and version of the server's secret K (low half)
    2  shard             16  session id        3  generation
    16 secret            7   tag: MAC under K over all that precedes

The store keeps only the current handle's digest. The tag tells without a look-up that a handle
is ours, so a guessed one costs no read and harms nobody; a spent one is known by its generation.
The first secret is random. A successor's is derived from K and the spent handle, so a client that
lost our reply is answered with the same successor again, and nobody had to keep it.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from counterfoil.errors import ConfigurationError, CredentialMalformed, SessionUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "cf_"
LENGTH: Final = len(PREFIX) + 60
SECRET_BYTES: Final = 16
SESSION_ID_BYTES: Final = 16
LAST_GENERATION: Final = 2**24 - 1

_FORMAT: Final = 1
_BODY_BYTES: Final = 38
_VERSIONS: Final = 16
_ALPHABET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class HandleSecrets:
    """K in its versions (0 to 15), 32 bytes each; new handles are made under the current one.

    A version is kept for as long as a family that began under it can live: a family stays with
    its version, because its successors are derived from it.
    """

    versions: Mapping[int, bytes] = field(repr=False)
    current: int

    def __post_init__(self) -> None:
        if self.current not in self.versions:
            raise ConfigurationError("Name a current version that the handle secrets contain.")
        for version, secret in self.versions.items():
            if not 0 <= version < _VERSIONS or len(secret) < hashlib.sha256().digest_size:
                raise ConfigurationError("Give handle secrets of 32 bytes, versions 0 to 15.")


@dataclass(frozen=True, slots=True)
class Handle:
    """A handle whose tag has been verified; its secret has not been compared with the store."""

    text: str = field(repr=False)
    session_id: str
    generation: int
    shard: int
    secret_version: int

    @property
    def digest(self) -> bytes:
        """What the store keeps; 128 bits of the secret are unguessable, so no salt is needed."""
        return hashlib.sha256(self.text.encode()).digest()


def first(
    session_id: str,
    *,
    secret: bytes,
    secrets: HandleSecrets,
    shard: int = 0,
    generation: int = 0,
) -> Handle:
    """A handle that descends from no other: of a new session, or where who knew the former one
    must stay out. `secret`: 16 random bytes."""
    return _make(session_id, generation, shard, secrets.current, secret, secrets)


def succeed(spent: Handle, *, secrets: HandleSecrets) -> Handle:
    """The one successor of a handle, the same whenever it is asked for."""
    mac = _mac(secrets, spent.secret_version, b"counterfoil successor", spent.text.encode())
    return _make(
        spent.session_id,
        spent.generation + 1,
        spent.shard,
        spent.secret_version,
        mac[:SECRET_BYTES],
        secrets,
    )


def walk(spent: Handle, generation: int, *, secrets: HandleSecrets) -> Handle:
    """The descendant of a spent handle in that (later or equal) generation."""
    handle = spent
    while handle.generation < generation:
        handle = succeed(handle, secrets=secrets)
    return handle


def parse(text: str, *, secrets: HandleSecrets) -> Handle:
    """Reads a presented handle. Raises `CredentialMalformed` for what is not one, and
    `SessionUnknown` for one that was not made under any K that is known here."""
    if not looks_like(text):
        raise CredentialMalformed("This is not a handle.")
    data = urlsafe_b64decode(text[len(PREFIX) :])
    body, tag = data[:_BODY_BYTES], data[_BODY_BYTES:]
    version = body[0] & 0x0F
    if body[0] >> 4 != _FORMAT or version not in secrets.versions:
        raise SessionUnknown("This handle was not issued here.")
    if not hmac.compare_digest(tag, _tag(secrets, version, body)):
        raise SessionUnknown("This handle was not issued here.")
    return Handle(
        text=text,
        session_id=_encode(body[3:19]),
        generation=int.from_bytes(body[19:22], "big"),
        shard=int.from_bytes(body[1:3], "big"),
        secret_version=version,
    )


def looks_like(text: str) -> bool:
    """Whether this is a handle in form; says nothing about whether it is good."""
    return len(text) == LENGTH and text.startswith(PREFIX) and _ALPHABET.issuperset(text[3:])


def new_session_id(entropy: bytes) -> str:
    """A session's id as text, from 16 random bytes."""
    return _encode(entropy)


def _make(
    session_id: str,
    generation: int,
    shard: int,
    version: int,
    secret: bytes,
    secrets: HandleSecrets,
) -> Handle:
    body = b"".join(
        (
            bytes([_FORMAT << 4 | version]),
            shard.to_bytes(2, "big"),
            urlsafe_b64decode(session_id + "=="),
            generation.to_bytes(3, "big"),
            secret,
        )
    )
    text = PREFIX + _encode(body + _tag(secrets, version, body))
    return Handle(text, session_id, generation, shard, version)


def _tag(secrets: HandleSecrets, version: int, body: bytes) -> bytes:
    return _mac(secrets, version, b"counterfoil tag", body)[:7]


def _mac(secrets: HandleSecrets, version: int, label: bytes, data: bytes) -> bytes:
    return hmac.digest(secrets.versions[version], label + b"\0" + data, "sha256")


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
