"""What a signed text may look like, and that nothing else is taken for one."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counterfoil import jws
from counterfoil.errors import (
    CounterfoilError,
    CredentialMalformed,
    KeyUnknown,
    Malformed,
    SignatureMismatch,
)
from forging import ALGORITHMS, KEYS, PUBLIC, header, opened, segment, signed

if TYPE_CHECKING:
    from counterfoil.client import Algorithm

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def verify(token: Any, algorithm: Algorithm = "ES256") -> bytes:
    return jws.parse(token).verify(KEYS.active(algorithm).material.public())


@every_algorithm
def test_what_is_signed_is_verified(algorithm: Algorithm) -> None:
    """The payload comes back byte for byte, with the header that was asked for."""
    key = KEYS.active(algorithm)
    token = jws.sign(b"\x00 any bytes \xff", key.material, kid=key.kid, typ="at+jwt")
    assert verify(token, algorithm) == b"\x00 any bytes \xff"
    assert jws.parse(token).header == jws.Header(algorithm, key.kid, "at+jwt")


@every_algorithm
def test_an_empty_payload_is_a_payload(algorithm: Algorithm) -> None:
    """Nothing can be signed too (Wycheproof, emptyPayload)."""
    assert verify(signed(header(algorithm), b"", algorithm=algorithm), algorithm) == b""


@every_algorithm
def test_another_key_of_the_same_kind_does_not_verify(algorithm: Algorithm) -> None:
    """A signature belongs to one key."""
    other = jws.generate(algorithm).public()
    with pytest.raises(SignatureMismatch):
        jws.parse(signed(header(algorithm), algorithm=algorithm)).verify(other)


@every_algorithm
def test_every_bit_of_a_token_counts(algorithm: Algorithm) -> None:
    """Whichever letter is changed, the token is refused: one token is one text."""
    token = signed(header(algorithm), b'{"a":1}', algorithm=algorithm)
    for place, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        with pytest.raises((CredentialMalformed, SignatureMismatch)):
            verify(token[:place] + other + token[place + 1 :], algorithm)


def test_the_twin_of_an_ecdsa_signature_is_as_good() -> None:
    """Both s and n - s verify, here as everywhere: do not revoke by a token's text."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    head, body, signature = signed(header(), b'{"a":1}').split(".")
    r, s = opened(signature)[:32], int.from_bytes(opened(signature)[32:], "big")
    assert verify(f"{head}.{body}.{segment(r + (order - s).to_bytes(32, 'big'))}") == b'{"a":1}'


def test_a_header_is_remembered_only_after_a_good_signature() -> None:
    """Nobody but the issuer can fill the memory of headers, and that memory is bounded."""
    forger = jws.generate("ES256")
    for number in range(400):
        token = jws.sign(b"{}", forger, kid=f"forged-{number}", typ="at+jwt")
        with pytest.raises(SignatureMismatch):
            verify(token)
        verify(signed(header(kid=f"kid-{number}")))
    kids = [head.kid or "" for head in jws._headers.values()]  # noqa: SLF001 - nothing else shows it
    assert len(kids) <= 256
    assert [kid for kid in kids if kid.startswith("forged")] == []


def test_a_remembered_header_does_not_vouch_for_the_next_token() -> None:
    """The signature is checked every time; only the parsing is spared."""
    token = signed(header())
    assert verify(token) == b"{}"
    head, body, signature = token.split(".")
    with pytest.raises(SignatureMismatch):
        verify(f"{head}.{segment(b'{ }')}.{signature}")
    with pytest.raises(SignatureMismatch):
        jws.parse(f"{head}.{body}.{signature}").verify(KEYS.active("RS256").material.public())


@every_algorithm
def test_private_keys_do_not_show(algorithm: Algorithm) -> None:
    """Neither repr nor a traceback's values hold the private half."""
    material = jws.generate(algorithm)
    secret = material.to_jwk()["d"]
    assert secret not in repr(material)
    assert secret not in repr(material.public())
    assert secret not in json.dumps(material.public().to_jwk())


@every_algorithm
def test_a_private_key_survives_being_written_down(algorithm: Algorithm) -> None:
    """A key read from its JWK signs what the first one verifies."""
    material = jws.generate(algorithm)
    again = jws.import_private(json.loads(json.dumps(material.to_jwk())))
    assert material.public().verifies(b"text", again.signature(b"text"))


@every_algorithm
def test_a_private_key_whose_halves_differ_is_refused(algorithm: Algorithm) -> None:
    """A file that was pieced together would sign what no verifier accepts (PyJWT 2.15, OKP d/x)."""
    one, other = jws.generate(algorithm).to_jwk(), jws.generate(algorithm).to_jwk()
    mixed = {**one, "d": other["d"]}
    with pytest.raises(Malformed):
        jws.import_private(mixed)


@pytest.mark.parametrize(
    "change",
    [
        {"x": None},
        {"x": 7},
        {"x": ""},
        {"x": "AA"},
        {"x": "+" * 43},
        {"x": "A" * 43 + "="},
        {"x": "A" * 42 + "B"},
        {"x": "_" * 42 + "8", "y": "_" * 42 + "8"},
        {"d": "A" * 43},
        {"k": "A" * 43},
    ],
)
def test_a_key_that_does_not_hold_together_is_refused(change: dict[str, object]) -> None:
    """Missing, mistyped, padded, non-canonical, short, off the curve, or not public at all."""
    jwk = {**KEYS.active("ES256").material.public().to_jwk(), **change}
    with pytest.raises(Malformed):
        jws.import_public(jwk)


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct"},
        {"kty": ["EC"]},
        {"kty": None},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": ["P-256"]},
        {"alg": "ES384"},
        {"alg": "none"},
        {"alg": None},
        {"alg": ["ES256"]},
        {"use": "enc"},
        {"use": None},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
    ],
)
def test_a_key_that_is_not_for_our_signatures_is_passed_over(change: dict[str, object]) -> None:
    """A key set may hold keys of other kinds and for other ends (RFC 7517 §5)."""
    assert jws.import_public({**KEYS.active("ES256").material.public().to_jwk(), **change}) is None


def refusal_of(text: str) -> str:
    """All that the error says; nothing when there is none."""
    try:
        PUBLIC.verify(text, purpose="tokens")
    except CounterfoilError as error:
        return f"{error} {error.detail} {error!r}"
    return ""


ODD_TEXTS: list[Any] = [
    None,
    b"a.b.c",
    7,
    ["a", "b", "c"],
    "",
    ".",
    "..",
    "a.b",
    "....",
    "a" * 100_000,
    "." * 100_000,
    "\ud800.\udfff.\ud800",
    "[" * 5_000 + ".e30." + "A" * 86,
    f"{segment(b'[' * 300)}.e30.{'A' * 86}",
    f"{segment(b'{' + b'1' * 300 + b'}')}.e30.{'A' * 86}",
    f"{segment(bytes(range(256)))}.e30.{'A' * 86}",
]


@pytest.mark.parametrize("token", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_whatever_is_not_a_token_is_malformed(token: Any) -> None:
    """Of any type and any size; the sender learns that, and nothing breaks."""
    with pytest.raises(CredentialMalformed):
        PUBLIC.verify(token, purpose="tokens")


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "zip", "b64", "x"]) | st.text(max_size=3),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=4,
    )
    | st.sampled_from(["ES256", "none", KEYS.active("ES256").kid]),
    max_size=4,
).map(lambda members: json.dumps(members).encode())


@settings(max_examples=300, deadline=None)
@given(
    st.text()
    | st.text(alphabet="ab.-_=+/ \n\u0661\u2000", max_size=30)
    | st.binary(max_size=60).map(lambda data: f"{segment(data)}.e30.{'A' * 86}")
    | st.builds(signed, HEADERS, st.binary(max_size=20))
)
@example("e30.e30.\u0661")
def test_no_text_raises_anything_but_our_errors(text: str) -> None:
    """Fuzzing finds a refusal or a payload, and no other exception; nor the text in the error."""
    said = refusal_of(text)
    assert len(text) <= 12 or text not in said


def test_an_error_never_repeats_the_token() -> None:
    """Neither its text nor any exception chained to it holds what was presented."""
    secret = "bm90LWEtc2VjcmV0LWJ1dC1zdGlsbA"
    heads = [
        b"\xff" + secret.encode(),
        b'{"alg":"' + secret.encode() + b'","x":1}',
        secret.encode(),
    ]
    for head in heads:
        with pytest.raises(CredentialMalformed) as refused:
            PUBLIC.verify(f"{segment(head)}.{secret}.{secret}", purpose="tokens")
        told = "".join(traceback.format_exception(refused.value, chain=True)[-1:])
        assert secret not in told
        context = refused.value.__context__
        assert context is None or secret not in repr(vars(context))


def test_a_key_for_status_verifies_no_tokens() -> None:
    """Each key has one purpose; to the other it is unknown."""
    key = KEYS.active("ES256", "status")
    token = jws.sign(b"{}", key.material, kid=key.kid, typ="at+jwt")
    with pytest.raises(KeyUnknown):
        PUBLIC.verify(token, purpose="tokens")
    assert PUBLIC.verify(token, purpose="status").payload == b"{}"
