"""Bytes signed and verified: compact JWS. The only file that imports the JOSE library.

The library computes and checks signatures and reads key material. What a token may look like is
decided here, and more strictly than any library does: everything that JOSE makes optional and that
we never issue is refused, so that one token is one byte string and no header tells us what to do.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from counterfoil.errors import CredentialMalformed, Malformed, SignatureMismatch
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.client import Algorithm

LIMIT: Final = 8 * 1024
_HEADER_LIMIT: Final = 512
_HEADERS_KEPT: Final = 256

# Ed25519 keys sign under the header `EdDSA` (RFC 8037): most libraries still refuse RFC 9864's
# name. The library's model of that name is the same signature, bound to the one curve.
_MODELS: Final = {
    "ES256": JWSRegistry.algorithms["ES256"],
    "RS256": JWSRegistry.algorithms["RS256"],
    "EdDSA": JWSRegistry.algorithms["Ed25519"],
}

# What a public JWK must hold, by (kty, crv); the algorithm that such a key is bound to; and the
# `alg` values that do not contradict it.
_KINDS: Final[dict[tuple[str, str | None], tuple[Algorithm, tuple[str, ...]]]] = {
    ("EC", "P-256"): ("ES256", ("ES256",)),
    ("RSA", None): ("RS256", ("RS256",)),
    ("OKP", "Ed25519"): ("EdDSA", ("EdDSA", "Ed25519")),
}
_PUBLIC_MEMBERS: Final = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_COORDINATE_BYTES: Final = 32
_RSA_BITS: Final = range(2048, 4096 + 1)
_RSA_EXPONENT: Final = 65537

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]*")
# The last letter of a group of two or three carries bits that mean nothing; they must be zero.
_LAST_LETTERS: Final = ("", "", "AQgw", "AEIMQUYcgkosw048")
_NAME: Final = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Header:
    """A protected header: these members and no others."""

    alg: str
    kid: str | None = None
    typ: str | None = None

    def is_type(self, typ: str) -> bool:
        """Whether this is a token of that type (RFC 8725 §3.11); one without a type never is."""
        return self.typ is not None and _media_type(self.typ) == _media_type(typ)


@dataclass(frozen=True, slots=True)
class Compact:
    """A JWS that is well formed. Its signature is unchecked, so its payload is not shown."""

    header: Header
    _segment: str = field(repr=False)
    _signing_input: bytes = field(repr=False)
    _payload: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    def verify(self, key: PublicMaterial) -> bytes:
        """The payload, when this key has signed it. Raises `SignatureMismatch`.

        The algorithm is the key's. The header must name the same one and chooses nothing
        (RFC 8725 §3.1). An ES256 signature has a twin that is as good (s and n - s; every library
        takes both), so a token's text identifies its content, and may be a cache's key, but a
        list of refused tokens must never go by it.
        """
        if self.header.alg != key.algorithm:
            raise SignatureMismatch("The token names another algorithm than its key has.")
        if not key.verifies(self._signing_input, self._signature):
            raise SignatureMismatch("The signature does not belong to this token.")
        if self._segment not in _headers:
            if len(_headers) >= _HEADERS_KEPT:
                _headers.clear()
            _headers[self._segment] = self.header
        return self._payload


# Headers of tokens whose signature was good, by their segment: an issuer uses few, and nobody else
# can add one.
_headers: dict[str, Header] = {}


def parse(token: str, *, limit: int = LIMIT) -> Compact:
    """A token's form. Raises `CredentialMalformed` for whatever we would not have issued.

    limit: the longest text accepted; only what is fetched from the issuer may be longer than a
    credential.
    """
    if not isinstance(token, str) or len(token) > limit:
        raise CredentialMalformed("The token is not a text of acceptable length.")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise CredentialMalformed("The token is not in JWS compact serialization.")
    segment, payload, signature = match.groups()
    return Compact(
        header=_headers.get(segment) or _read_header(segment),
        _segment=segment,
        _signing_input=token[: match.end(2)].encode(),
        _payload=_decode(payload),
        _signature=_decode(signature),
    )


def sign(payload: bytes, key: PrivateMaterial, *, kid: str, typ: str) -> str:
    """The signed token. `typ` is what keeps kinds of tokens apart, so it is required."""
    signing_input = f"{_header_segment(key.algorithm, kid, typ)}.{_encode(payload)}"
    return f"{signing_input}.{_encode(key.signature(signing_input.encode()))}"


@dataclass(frozen=True, slots=True)
class PublicMaterial:
    """A public key and the one algorithm it is used with."""

    algorithm: Algorithm
    _key: ECKey | RSAKey | OKPKey = field(repr=False, hash=False)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        return _MODELS[self.algorithm].verify(message, signature, self._key)

    def to_jwk(self) -> dict[str, str]:
        """`kty` and the public members; who publishes it adds `kid`, `use` and `alg`."""
        jwk = self._key.dict_value
        return {name: str(jwk[name]) for name in ("kty", *_PUBLIC_MEMBERS[self._key.key_type])}


@dataclass(frozen=True, slots=True)
class PrivateMaterial:
    """A private key and the one algorithm it is used with."""

    algorithm: Algorithm
    _key: ECKey | RSAKey | OKPKey = field(repr=False, hash=False)

    def signature(self, message: bytes) -> bytes:
        return _MODELS[self.algorithm].sign(message, self._key)

    def public(self) -> PublicMaterial:
        return PublicMaterial(self.algorithm, _public_half(self._key))

    def to_jwk(self) -> dict[str, str]:
        """The whole private key, its members in order of their names. Only for a file that nobody
        else can read."""
        return {name: str(value) for name, value in sorted(self._key.dict_value.items())}


def generate(algorithm: Algorithm) -> PrivateMaterial:
    """A new key.

    RSA has 2048 bits: what every consumer takes, the cheapest of all to verify, and strong enough
    for keys that are replaced within months (NIST SP 800-57: until the end of 2030). With 3072 the
    first start would take several times as long.
    """
    if algorithm == "ES256":
        return PrivateMaterial(algorithm, ECKey.generate_key("P-256"))
    if algorithm == "RS256":
        return PrivateMaterial(algorithm, RSAKey.generate_key(2048))
    return PrivateMaterial(algorithm, OKPKey.generate_key("Ed25519"))


def import_public(jwk: Mapping[str, object]) -> PublicMaterial | None:
    """The key in a public JWK; None for one that is not for our signatures: a set may hold such.

    Raises `Malformed` for one that says it is and cannot be trusted: a point off its curve, an RSA
    key that is too short or breakable, a private key that somebody has published.
    """
    kind = _kind(jwk)
    if kind is None:
        return None
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise Malformed("A private key is no secret any more once it stands in a public key set.")
    return PublicMaterial(kind, _load(jwk, _PUBLIC_MEMBERS[str(jwk["kty"])]))


def import_private(jwk: Mapping[str, object]) -> PrivateMaterial:
    """The key in a private JWK of ours. Raises `Malformed`, also when its halves do not match."""
    kind = _kind(jwk)
    if kind is None or "d" not in jwk:
        raise Malformed("This is not a private key for ES256, RS256 or EdDSA.")
    public = _PUBLIC_MEMBERS[str(jwk["kty"])]
    private = tuple(name for name in sorted(_PRIVATE_MEMBERS) if name in jwk)
    material = PrivateMaterial(kind, _load(jwk, public + private))
    derived = material.public().to_jwk()
    if any(derived[name] != jwk[name] for name in public):
        raise Malformed("The two halves of this private key do not match.")
    return material


def is_base64url(text: str) -> bool:
    """Whether this is base64url as RFC 7515 §2 writes it, in the one text that the bytes have."""
    return _SEGMENT.fullmatch(text) is not None and _is_canonical(text)


@lru_cache(maxsize=_HEADERS_KEPT)
def _header_segment(algorithm: str, kid: str, typ: str) -> str:
    """What an issuer signs under, which is one of few."""
    header = json.dumps({"alg": algorithm, "kid": kid, "typ": typ}, separators=(",", ":"))
    return _encode(header.encode())


def _read_header(segment: str) -> Header:
    if len(segment) > _HEADER_LIMIT:
        raise CredentialMalformed("The token's header is too long.")
    members = parse_object(_decode(segment), error=CredentialMalformed)
    if not members.keys() <= {"alg", "kid", "typ"}:
        raise CredentialMalformed("The token's header has members other than alg, kid and typ.")
    if "alg" not in members or not all(map(_is_name, members.values())):
        raise CredentialMalformed("The token's header lacks alg, or a member is not a short text.")
    return Header(**members)


def _media_type(typ: str) -> str:
    """A value without a slash stands for application/<value>, in any case (RFC 7515 §4.1.9)."""
    lowered = typ.lower()
    return lowered if "/" in lowered else f"application/{lowered}"


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(segment: str) -> bytes:
    """base64url as RFC 7515 §2 writes it and in no other way. The alphabet has been checked."""
    if not _is_canonical(segment):
        raise CredentialMalformed("A part of the token is not canonical base64url.")
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _is_canonical(segment: str) -> bool:
    rest = len(segment) % 4
    return rest == 0 or (rest != 1 and segment[-1] in _LAST_LETTERS[rest])


def _kind(jwk: Mapping[str, object]) -> Algorithm | None:
    """The algorithm of a JWK; None when its kind, or what it says it is for, is not ours."""
    kty, crv, operations = jwk.get("kty"), jwk.get("crv"), jwk.get("key_ops", ["verify"])
    if not isinstance(kty, str) or not isinstance(crv, str | None) or (kty, crv) not in _KINDS:
        return None
    algorithm, names = _KINDS[kty, crv]
    if "alg" in jwk and jwk["alg"] not in names:
        return None
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list):
        return None
    return algorithm if "verify" in operations else None


def _load(jwk: Mapping[str, object], names: tuple[str, ...]) -> ECKey | RSAKey | OKPKey:
    """Only the members that make up the key reach the library, and only when they are sound."""
    members: dict[str, Any] = {name: jwk.get(name) for name in names}
    _require_sound(members)
    members["kty"] = jwk["kty"]
    try:
        if jwk["kty"] == "EC":
            return ECKey.import_key(members)
        return RSAKey.import_key(members) if jwk["kty"] == "RSA" else OKPKey.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        raise Malformed("A key does not hold together.") from None


def _require_sound(members: Mapping[str, object]) -> None:
    numbers = {name: _number(text) for name, text in members.items() if name != "crv"}
    for name in ("x", "y"):
        if name in numbers and len(numbers[name]) != _COORDINATE_BYTES:
            raise Malformed("A key's coordinate does not have 32 bytes.")
    if "n" in numbers:
        modulus, exponent = (int.from_bytes(numbers[name], "big") for name in ("n", "e"))
        if modulus.bit_length() not in _RSA_BITS or exponent != _RSA_EXPONENT:
            raise Malformed("An RSA key does not have 2048 to 4096 bits and the exponent 65537.")
        if not modulus & 1 or _is_roca(modulus):
            raise Malformed("An RSA key was made in a way that can be broken.")


def _number(text: object) -> bytes:
    if not isinstance(text, str) or not text or _SEGMENT.fullmatch(text) is None:
        raise Malformed("A key lacks a member, or it is not base64url.")
    try:
        return _decode(text)
    except CredentialMalformed:
        raise Malformed("A key's member is not canonical base64url.") from None


def _public_half(key: ECKey | RSAKey | OKPKey) -> ECKey | RSAKey | OKPKey:
    if isinstance(key, ECKey):
        return ECKey.import_key(key.public_key)
    if isinstance(key, RSAKey):
        return RSAKey.import_key(key.public_key)
    return OKPKey.import_key(key.public_key)


# The primes of CVE-2017-15361 are powers of 65537 modulo many small primes, and so is their
# product. A sound modulus is one modulo all of these by chance, about once in 2^27.
_ROCA_PRIMES: Final = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ROCA_POWERS: Final = {
    prime: {pow(_RSA_EXPONENT, power, prime) for power in range(prime)} for prime in _ROCA_PRIMES
}


def _is_roca(modulus: int) -> bool:
    return all(modulus % prime in powers for prime, powers in _ROCA_POWERS.items())
