"""The keys of an issuer: which sign, which are about to, which are still believed.

For each algorithm one key signs (active) and one is published and waits (next), so that a change of
keys never meets a verifier whose copy of the key set is too old to know the new one. A key that has
signed stays published (retiring) until its last token has expired; one that is distrusted is taken
out at once. A set never changes: every operation returns another one.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from counterfoil import jws
from counterfoil.client import Algorithm
from counterfoil.errors import (
    ConfigurationError,
    CredentialMalformed,
    KeyTooNew,
    KeyUnknown,
    Malformed,
    NotFound,
)
from counterfoil.lifetime import has_passed, is_within
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Purpose = Literal["tokens", "status"]
KeyState = Literal["next", "active", "retiring", "distrusted"]

PUBLISH_AHEAD: Final = timedelta(minutes=15)
_MOST_KEYS: Final = 64
_FORMAT: Final = 1
# Absent means tokens, so that a reader who knows only RFC 7517 sees a plain key.
_PURPOSE_MEMBER: Final = "counterfoil_purpose"
# Most libraries refuse one or the other name of Ed25519 in a JWK, and none misses it.
_UNNAMED: Final = "EdDSA"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies: under this id, with this one algorithm, for this one purpose."""

    kid: str
    algorithm: Algorithm
    purpose: Purpose
    material: jws.PublicMaterial = field(repr=False)

    def to_jwk(self) -> dict[str, str]:
        jwk = {"kid": self.kid, "use": "sig", **self.material.to_jwk()}
        if self.algorithm != _UNNAMED:
            jwk["alg"] = self.algorithm
        if self.purpose != "tokens":
            jwk[_PURPOSE_MEMBER] = self.purpose
        return jwk


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload whose signature was good, and the header that was signed with it."""

    kid: str
    header: jws.Header
    payload: bytes = field(repr=False)


class PublicKeySet:
    """What verifiers hold. `version` is another text whenever anything in the set is."""

    __slots__ = ("_keys", "version")

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = {key.kid: key for key in keys}
        text = json.dumps(self.to_jwks(), sort_keys=True)
        self.version: Final = hashlib.sha256(text.encode()).hexdigest()[:16]

    def get(self, kid: str) -> PublicKey | None:
        return self._keys.get(kid)

    def verify(self, token: str, *, purpose: Purpose, limit: int = jws.LIMIT) -> Signed:
        """What a key of this purpose has signed. Raises `CredentialMalformed`, `KeyUnknown` or
        `SignatureMismatch`. The type is the caller's to check, with `Header.is_type`."""
        compact = jws.parse(token, limit=limit)
        kid = compact.header.kid
        if kid is None:
            raise CredentialMalformed("The token's header lacks kid.")
        key = self._keys.get(kid)
        if key is None or key.purpose != purpose:
            raise KeyUnknown
        return Signed(kid, compact.header, compact.verify(key.material))

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKeySet) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"PublicKeySet({list(self._keys)}, version={self.version!r})"

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK Set to publish (RFC 7517 §5): public members only."""
        return {"keys": [key.to_jwk() for key in self]}

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, object]) -> PublicKeySet:
        """Reads a published set. Keys that are not for our signatures are passed over (§5).

        Raises `Malformed` when it cannot be trusted: two keys of one id, private members, a weak
        key, or more keys than anyone publishes.
        """
        entries = jwks.get("keys")
        if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
            raise Malformed(f"A key set is not a list of at most {_MOST_KEYS} keys.")
        if not all(isinstance(entry, dict) for entry in entries):
            raise Malformed("A key in a key set is not an object.")
        kids = [entry["kid"] for entry in entries if isinstance(entry.get("kid"), str)]
        if len(set(kids)) < len(kids):
            raise Malformed("Two keys in a key set have the same kid.")
        return cls(key for entry in entries if (key := _read_public(entry)) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDescription:
    """What people may see of a signing key.

    ready_at: from when it may sign, because every verifier has had time to learn of it.
    retired_at: when it stopped signing.
    """

    kid: str
    algorithm: Algorithm
    purpose: Purpose
    state: KeyState
    created_at: datetime
    published_at: datetime
    ready_at: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey(KeyDescription):
    """A key that signs, where it stands, and its private half."""

    material: jws.PrivateMaterial = field(repr=False)

    def public(self) -> PublicKey:
        return PublicKey(self.kid, self.algorithm, self.purpose, self.material.public())


@dataclass(frozen=True, slots=True)
class SigningKeySet:
    """An issuer's keys: for each purpose and algorithm in use, one active and one next."""

    keys: tuple[SigningKey, ...]
    _active: dict[tuple[Purpose, Algorithm], SigningKey] = field(
        init=False, repr=False, compare=False
    )
    _public: PublicKeySet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _require_complete(self.keys)
        active = {(key.purpose, key.algorithm): key for key in self.keys if key.state == "active"}
        trusted = PublicKeySet(key.public() for key in self.keys if key.state != "distrusted")
        object.__setattr__(self, "_active", active)
        object.__setattr__(self, "_public", trusted)

    @classmethod
    def generate(cls, *, now: datetime) -> SigningKeySet:
        """A new set for tokens. It has every algorithm, so that a client can be given any of them
        without waiting; no copy of it is older, so all of its keys are ready at once."""
        return cls(_line("tokens", get_args(Algorithm), now=now))

    def with_purpose(
        self, purpose: Purpose, *, algorithm: Algorithm = "ES256", now: datetime
    ) -> SigningKeySet:
        """With keys of this purpose; itself when it has them. They may sign at once, so add them
        before anything is issued that needs them."""
        if (purpose, algorithm) in self._active:
            return self
        return replace(self, keys=self.keys + _line(purpose, (algorithm,), now=now))

    def active(self, algorithm: Algorithm, purpose: Purpose = "tokens") -> SigningKey:
        """The key that signs now. Raises `NotFound`."""
        try:
            return self._active[purpose, algorithm]
        except KeyError:
            raise NotFound(f"There is no {algorithm} key for {purpose}.") from None

    def get(self, kid: str) -> SigningKey | None:
        return next((key for key in self.keys if key.kid == kid), None)

    def public(self) -> PublicKeySet:
        """What verifiers may believe: all but the distrusted."""
        return self._public

    def describe(self) -> tuple[KeyDescription, ...]:
        """All keys, the distrusted too, without anything secret."""
        return tuple(KeyDescription(**_described(key)) for key in self.keys)

    def rotate(
        self, algorithm: Algorithm, *, now: datetime, purpose: Purpose = "tokens"
    ) -> SigningKeySet:
        """The next key signs from now on, and a new next is published.

        Raises `KeyTooNew` while a verifier's copy of the set could lack the next key.
        """
        active, following = self.active(algorithm, purpose), self._next(algorithm, purpose)
        if not has_passed(following.ready_at, now=now):
            raise KeyTooNew(
                "The next key is not known to every verifier yet.",
                available_at=following.ready_at,
            )
        return self._advanced(replace(active, state="retiring", retired_at=now), now=now)

    def distrust(self, kid: str, *, now: datetime) -> SigningKeySet:
        """No token of this key is good any more; itself when that was already so.

        An active key is followed by the next at once, however young: to be refused for minutes is
        better than to be forged. Raises `NotFound`.
        """
        key = self.get(kid)
        if key is None:
            raise NotFound("There is no key with this kid.")
        if key.state == "distrusted":
            return self
        distrusted = replace(key, state="distrusted", retired_at=key.retired_at or now)
        if key.state == "retiring":
            return replace(self, keys=_swap(self.keys, distrusted))
        if key.state == "next":
            new = _successor(key, now=now)
            return replace(self, keys=(*_swap(self.keys, distrusted), new))
        return self._advanced(distrusted, now=now)

    def swept(self, *, now: datetime, keep: timedelta) -> SigningKeySet:
        """Without retiring keys whose last token has expired; itself when there are none.

        keep: the longest access lifetime, and the time that other processes may go on signing with
        a key after it has retired.
        """
        kept = tuple(
            key
            for key in self.keys
            if key.state != "retiring"
            or key.retired_at is None
            or is_within(key.retired_at, keep, now=now)
        )
        return self if len(kept) == len(self.keys) else replace(self, keys=kept)

    def to_json(self) -> str:
        """All of it, private keys included: only for a file that nobody else can read."""
        keys = [_write_key(key) for key in self.keys]
        return json.dumps({"format": _FORMAT, "keys": keys}, indent=1)

    @classmethod
    def from_json(cls, data: bytes, known: SigningKeySet | None = None) -> SigningKeySet:
        """Reads what `to_json` wrote. Raises `ConfigurationError` for anything else.

        known: keys that were read before. Those that are the same are not examined again, which
        takes 45 ms for each of RSA.
        """
        content = parse_object(data, error=ConfigurationError, limit=len(data))
        try:
            if content["format"] != _FORMAT:
                raise ConfigurationError("Read these keys with the version that wrote them.")
            held = known.keys if known is not None else ()
            materials = {key.kid: key.material for key in held}
            return cls(tuple(_read_key(entry, materials) for entry in content["keys"]))
        except (KeyError, TypeError, ValueError, AttributeError, Malformed):
            raise ConfigurationError("Restore the signing keys: one cannot be read.") from None

    def _next(self, algorithm: Algorithm, purpose: Purpose) -> SigningKey:
        return next(
            key
            for key in self.keys
            if (key.state, key.algorithm, key.purpose) == ("next", algorithm, purpose)
        )

    def _advanced(self, former: SigningKey, *, now: datetime) -> SigningKeySet:
        """With the formerly active key in its new state, the next active, and a new next."""
        following = replace(self._next(former.algorithm, former.purpose), state="active")
        new = _successor(former, now=now)
        return replace(self, keys=(*_swap(_swap(self.keys, former), following), new))


def _swap(keys: tuple[SigningKey, ...], changed: SigningKey) -> tuple[SigningKey, ...]:
    return tuple(changed if key.kid == changed.kid else key for key in keys)


def _line(
    purpose: Purpose, algorithms: tuple[Algorithm, ...], *, now: datetime
) -> tuple[SigningKey, ...]:
    states: tuple[KeyState, ...] = ("active", "next")
    return tuple(
        _new_key(algorithm, purpose, state, now=now, ready_at=now)
        for algorithm in algorithms
        for state in states
    )


def _successor(key: SigningKey, *, now: datetime) -> SigningKey:
    return _new_key(key.algorithm, key.purpose, "next", now=now, ready_at=now + PUBLISH_AHEAD)


def _new_key(
    algorithm: Algorithm, purpose: Purpose, state: KeyState, *, now: datetime, ready_at: datetime
) -> SigningKey:
    return SigningKey(
        kid=_new_kid(),
        algorithm=algorithm,
        purpose=purpose,
        state=state,
        created_at=now,
        published_at=now,
        ready_at=ready_at,
        material=jws.generate(algorithm),
    )


def _new_kid() -> str:
    """Eight characters: a kid is in every token. The first is no dash, or a command line would
    take it for an option."""
    while (kid := secrets.token_urlsafe(6)).startswith("-"):
        pass
    return kid


def _require_complete(keys: tuple[SigningKey, ...]) -> None:
    if not keys or len({key.kid for key in keys}) < len(keys):
        raise ConfigurationError("Restore the signing keys: none is left, or two have one kid.")
    for line in {(key.purpose, key.algorithm) for key in keys}:
        states = [key.state for key in keys if (key.purpose, key.algorithm) == line]
        if states.count("active") != 1 or states.count("next") != 1:
            raise ConfigurationError("Restore the signing keys: a kind has one active, one next.")


def _read_public(jwk: Mapping[str, Any]) -> PublicKey | None:
    kid, purpose = jwk.get("kid"), jwk.get(_PURPOSE_MEMBER, "tokens")
    material = jws.import_public(jwk)
    if material is None or not isinstance(kid, str) or purpose not in get_args(Purpose):
        return None
    return PublicKey(kid, material.algorithm, purpose, material)


def _described(key: SigningKey) -> dict[str, Any]:
    return {item.name: getattr(key, item.name) for item in fields(KeyDescription)}


def _write_key(key: SigningKey) -> dict[str, Any]:
    members = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in _described(key).items()
    }
    return {**members, "jwk": key.material.to_jwk()}


def _read_key(entry: Mapping[str, Any], materials: Mapping[str, jws.PrivateMaterial]) -> SigningKey:
    material = materials.get(entry["kid"])
    if material is None or material.to_jwk() != entry["jwk"]:
        material = jws.import_private(entry["jwk"])
    members = {name: _moment(entry[name]) for name in ("created_at", "published_at", "ready_at")}
    if entry["retired_at"] is not None:
        members["retired_at"] = _moment(entry["retired_at"])
    kid, purpose, state = entry["kid"], entry["purpose"], entry["state"]
    known = purpose in get_args(Purpose) and state in get_args(KeyState)
    if not isinstance(kid, str) or not known or entry["algorithm"] != material.algorithm:
        raise ValueError
    return SigningKey(
        kid=kid,
        algorithm=material.algorithm,
        purpose=purpose,
        state=state,
        material=material,
        **members,
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment
