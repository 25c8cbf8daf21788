"""The known classes of attack on JOSE, by their numbers J1 to J21.

Absent: J6, fetching keys, which feeds do; and J14, J18 and J21, in test_token_attacks.py.
"""

from __future__ import annotations

import hmac
import json
import time
from typing import TYPE_CHECKING, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from counterfoil import jws
from counterfoil.client import Algorithm
from counterfoil.errors import (
    AuthError,
    CredentialMalformed,
    KeyUnknown,
    Malformed,
    SignatureMismatch,
)
from counterfoil.keys import PublicKeySet
from forging import ALGORITHMS, KEYS, PUBLIC, header, opened, payload, segment, signed

if TYPE_CHECKING:
    from counterfoil.keys import Signed

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def verify(token: str) -> Signed:
    return PUBLIC.verify(token, purpose="tokens")


def unsigned(head: dict[str, object], signature: str = "") -> str:
    return f"{segment(json.dumps(head).encode())}.{segment(payload())}.{signature}"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "noNE", "none\u200b", " none", ""])
def test_j1_no_spelling_of_none_is_an_algorithm(alg: str) -> None:
    """With an empty signature, a made-up one, or even the key's own: refused."""
    for token in (
        unsigned(header(alg=alg)),
        unsigned(header(alg=alg), "AAAA"),
        signed(header(alg=alg)),
    ):
        with pytest.raises((CredentialMalformed, SignatureMismatch)):
            verify(token)


@pytest.mark.parametrize("alg", [None, 0, 1.5, True, ["ES256"], [], {"ES256": 1}, {}])
def test_j1_an_algorithm_that_is_no_text_is_malformed(alg: object) -> None:
    """Also one that is missing (None) or null."""
    with pytest.raises(CredentialMalformed):
        verify(signed(header(alg=alg)))
    with pytest.raises(CredentialMalformed):
        verify(signed({**header(), "alg": alg}))


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_j2_a_public_key_is_never_a_shared_secret(algorithm: Algorithm, alg: str) -> None:
    """No form of the public key makes a MAC that counts, because there are no MACs."""
    jwk = next(key for key in PUBLIC.to_jwks()["keys"] if key["kid"] == header(algorithm)["kid"])
    for secret in (
        json.dumps(jwk).encode(),
        json.dumps(jwk, separators=(",", ":")).encode(),
        opened(jwk.get("x", jwk.get("n", ""))),
        b"\xef\xbb\xbf" + json.dumps(PUBLIC.to_jwks()).encode(),
        b"",
    ):
        forged = unsigned(header(algorithm, alg=alg)).rstrip(".")
        tag = hmac.digest(secret, forged.encode(), "sha" + alg[2:])
        with pytest.raises(SignatureMismatch):
            verify(f"{forged}.{segment(tag)}")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "alg", ["ES256", "RS256", "EdDSA", "Ed25519", "ES384", "PS256", "RS512", "ES256K", "es256"]
)
def test_j3_the_header_names_the_algorithm_of_the_key_or_is_refused(
    algorithm: Algorithm, alg: str
) -> None:
    """An algorithm that is allowed for some key is not thereby allowed for this one."""
    token = signed(header(algorithm, alg=alg), algorithm=algorithm)
    if alg == algorithm:
        assert verify(token).header.alg == algorithm
    else:
        with pytest.raises(SignatureMismatch):
            verify(token)


@pytest.mark.parametrize("secret", ["", "AA", "A" * 43])
def test_j4_no_shared_secret_is_a_key(secret: str) -> None:
    """However long: a key set with one in it gives it to nobody."""
    jwks = {"keys": [{"kty": "oct", "kid": "a", "k": secret, "alg": "HS256"}]}
    assert len(PublicKeySet.from_jwks(jwks)) == 0


@pytest.mark.parametrize(
    "name", ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "x5chain", "keys", "key"]
)
def test_j5_a_token_does_not_bring_its_own_key(name: str) -> None:
    """A header that offers a key or its address is refused, honestly signed or not."""
    attacker = jws.generate("ES256")
    offer = {name: attacker.public().to_jwk()}
    head = segment(json.dumps({**header(), **offer}).encode())
    signature = segment(attacker.signature(f"{head}.e30".encode()))
    for token in (f"{head}.e30.{signature}", signed({**header(), **offer})):
        with pytest.raises(CredentialMalformed):
            verify(token)


@pytest.mark.parametrize(
    "members",
    [
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"crit": ["urn:example:unknown"]},
        {"crit": "b64"},
    ],
)
def test_j7_no_extension_is_understood(members: dict[str, object]) -> None:
    """Both crit and b64 change what a signature means; they are refused, whatever they say."""
    with pytest.raises(CredentialMalformed):
        verify(signed({**header(), **members}))


def test_j8_only_the_compact_serialization_is_read() -> None:
    """JSON serializations, detached payloads and lists of no signatures are malformed."""
    head, body, signature = signed(header(), payload()).split(".")
    flat = {"protected": head, "payload": body, "signature": signature}
    general = {"payload": body, "signatures": [{"protected": head, "signature": signature}]}
    for token in (
        json.dumps(flat),
        json.dumps(general),
        json.dumps({"payload": body, "signatures": []}),
        f"{head}.{body}",
        f"{head}.{body}.",
        f".{body}.{signature}",
        f"{head}.{body}.{signature}.",
        f"{head}.{body}.{signature}.{signature}",
    ):
        with pytest.raises(CredentialMalformed):
            verify(token)
    with pytest.raises(SignatureMismatch):
        verify(f"{head}..{signature}")


@pytest.mark.parametrize("alg", ["dir", "RSA1_5", "RSA-OAEP", "ECDH-ES", "A128KW"])
def test_j9_and_j19_nothing_encrypted_is_opened(alg: str) -> None:
    """Five parts are refused by their number: there is no JWE here, so no padding oracle."""
    head = segment(json.dumps({"alg": alg, "enc": "A128GCM", "kid": "a"}).encode())
    with pytest.raises(CredentialMalformed):
        verify(f"{head}.AAAA.AAAA.AAAA.AAAA")
    with pytest.raises(CredentialMalformed):
        verify(signed(header(enc="A128GCM")))


def test_j10_nothing_compressed_is_unpacked() -> None:
    """A header that asks for it is refused before anything is unpacked."""
    with pytest.raises(CredentialMalformed):
        verify(signed(header(zip="DEF")))


def test_j11_no_token_orders_work() -> None:
    """An iteration count in the header is refused, not obeyed."""
    with pytest.raises(CredentialMalformed):
        verify(signed(header(alg="PBES2-HS256+A128KW", p2c=2**31, p2s="AAAA")))


@pytest.mark.parametrize(
    ("token", "times"),
    [
        ("A", 500_000_000),  # made when it is needed: it would stay until the last test
        (".", 10_000_000),
        (f"{'A' * 8_000}.{'A' * 1_000}.AAAA", 1),
        (f"{segment(b'{' * 370)}.e30.AAAA", 1),
        (f"{segment(b'[' * 370)}.e30.AAAA", 1),
        (segment(b'{"alg":' + b"9" * 370 + b"}") + ".e30.AAAA", 1),
        (f"{segment(json.dumps(header(x='y' * 500)).encode())}.e30.AAAA", 1),
    ],
    ids=["huge", "dots", "limit", "deep", "deeper", "digits", "header"],
)
def test_j12_what_is_too_large_or_too_deep_costs_nothing(token: str, times: int) -> None:
    """Half a gigabyte is refused by its length, and the error does not carry it."""
    token *= times
    started = time.perf_counter()
    with pytest.raises(CredentialMalformed) as refused:
        verify(token)
    assert time.perf_counter() - started < 0.1
    assert len(str(refused.value)) < 200


def test_j13_a_token_is_written_in_one_way_only() -> None:
    """Padding, space, other alphabets and other scripts' letters and digits are refused."""
    token = signed(header(), payload())
    head, body, signature = token.split(".")
    spellings = [f"{token}{end}" for end in ("=", "==", " ", "\n", "\r\n", "\0", "\u200b", "%3D")]
    spellings += [f"{start}{token}" for start in (" ", "\n", "\ufeff", "Bearer ", "\0")]
    spellings += [f"{head}\u3002{body}\u3002{signature}", f"{head}.{body}=.{signature}"]
    spellings += [f"{head}{space}.{body}.{signature}" for space in " \n\t\u2000"]
    spellings += [f"{head}.{body[:4]}{space}{body[4:]}.{signature}" for space in " \n\t\u2000"]
    spellings += [f"{head}.{body}.{letter}{signature[1:]}" for letter in "+/%\u0661\uff21"]
    for spelling in spellings:
        with pytest.raises(CredentialMalformed):
            verify(spelling)
    assert verify(token).payload == payload()


def test_j13_bits_that_mean_nothing_must_be_zero() -> None:
    """64 bytes leave four loose bits in the last letter; only one of sixteen letters is right."""
    token = signed(header())
    last = LETTERS.index(token[-1])
    assert last % 16 == 0
    for letter in LETTERS[last + 1 : last + 16]:
        with pytest.raises(CredentialMalformed):
            verify(token[:-1] + letter)


@pytest.mark.parametrize(
    "head",
    [
        b'{"alg":"none","alg":"ES256","kid":"KID","typ":"at+jwt"}',
        b'{"alg":"ES256","\\u0061lg":"none","kid":"KID","typ":"at+jwt"}',
        b'\xef\xbb\xbf{"alg":"ES256","kid":"KID","typ":"at+jwt"}',
        b'{"alg":"ES256","kid":"KID","typ":"at+jwt"} x',
        b'{"alg":"ES256","kid":"KID","typ":"at\\u0000+jwt"}',
        b'{"alg":"ES256","kid":"KID","typ":"\\ud800"}',
        b'{"alg":"ES256","kid":"KID","typ":NaN}',
        b'{"alg":"ES256","kid":"KID","typ":-Infinity}',
        b'{"alg":"ES256","kid":"KID","typ":"\xff"}',
        '{"alg":"ES256","kid":"KID","typ":"at+jwt"}'.encode("utf-16"),
        '{"alg":"ES256","kid":"KID","typ":"at+jwt"}'.encode("utf-16-le"),
        b'[{"alg":"ES256","kid":"KID"}]',
        b'"ES256"',
        b"null",
        b"",
    ],
)
def test_j15_a_header_that_can_be_read_in_two_ways_is_read_in_none(head: bytes) -> None:
    """Repeated members, byte order marks, other encodings and other values than an object."""
    kid = str(header()["kid"]).encode()
    with pytest.raises(CredentialMalformed):
        verify(signed(head.replace(b"KID", kid)))


@pytest.mark.parametrize("first", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1])
@pytest.mark.parametrize("second", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1])
def test_j16_no_constant_is_a_signature(first: int, second: int) -> None:
    """Psychic signatures (CVE-2022-21449) and their neighbours; Wycheproof has hundreds more."""
    signature = first.to_bytes(32, "big") + second.to_bytes(32, "big")
    with pytest.raises(SignatureMismatch):
        verify(unsigned(header(), segment(signature)))


def test_j16_a_signature_in_another_encoding_is_none() -> None:
    """DER, a signature cut short and one with a byte more are refused; the raw form is the form."""
    head, body, signature = signed(header()).split(".")
    raw = opened(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    for other in (der, raw[:-1], raw + b"\0", b"\0" + raw, raw[:32], raw[32:] + raw[:32]):
        with pytest.raises(SignatureMismatch):
            verify(f"{head}.{body}.{segment(other)}")


def test_j16_a_weak_rsa_key_is_no_key() -> None:
    """Short, with exponent 1 or 3, even: such keys verify what anybody signs."""
    good = KEYS.active("RS256").material.public().to_jwk()
    modulus = opened(good["n"])
    for change in (
        {"e": segment(b"\x01")},
        {"e": segment(b"\x03")},
        {"n": segment(modulus[:128])},
        {"n": segment(modulus[:-1] + bytes([modulus[-1] & 0xFE]))},
        {"n": segment(modulus * 8)},
    ):
        with pytest.raises(Malformed):
            jws.import_public({**good, **change})


def test_j17_there_is_no_secret_to_time() -> None:
    """Every algorithm verifies with a public key, so no comparison here can leak one."""
    assert [name for name in get_args(Algorithm) if name.startswith("HS")] == []


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "' OR 1=1 --",
        "$(id)",
        "*)(uid=*",
        "{{7*7}}",
        "file:///etc/passwd",
        "\0",
        "k\n",
        "\u0661",
        "",
        "k" * 129,
        7,
        True,
        ["k"],
        {"$ne": ""},
        None,
    ],
)
def test_j20_a_kid_is_looked_up_and_nothing_else(kid: object) -> None:
    """A text that is in the set, or a refusal; it is no path, no query and no template."""
    with pytest.raises(AuthError) as refused:
        verify(signed({**header(), "kid": kid}))
    assert isinstance(refused.value, KeyUnknown | CredentialMalformed)


def test_j20_an_unknown_kid_is_refused_before_any_signature_is_checked() -> None:
    """Nobody can make a verifier compute with keys that are not there."""
    with pytest.raises(KeyUnknown):
        verify(unsigned(header(kid="elsewhere"), "AAAA"))
