"""Whatever we accept, joserfc, PyJWT and jwcrypto accept too, and read the same payload.

Parsers that differ are how one service trusts what another refuses. Stricter is fine, looser never.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, cast

import joserfc.jws
import jwcrypto.jwk  # type: ignore[import-untyped]
import jwcrypto.jws  # type: ignore[import-untyped]
import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import import_key

from counterfoil.errors import AuthError
from forging import ALGORITHMS, KEYS, PUBLIC, header, opened, payload, segment, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.client import Algorithm
    from counterfoil.keys import Signed

JWKS = {jwk["kid"]: jwk for jwk in PUBLIC.to_jwks()["keys"]}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ODD_LETTERS = '=.+/% \n\t\0{}"\u00e9\u0661\u200b\uff21\ud800'


def jwk_of(algorithm: str) -> dict[str, Any]:
    return {**JWKS[KEYS.active(cast("Algorithm", algorithm)).kid], "alg": algorithm}


def ours(token: str) -> Signed | None:
    try:
        return PUBLIC.verify(token, purpose="tokens")
    except AuthError:
        return None


def by_joserfc(token: str, algorithm: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that EdDSA has a newer name
        key = import_key(jwk_of(algorithm))
        found = joserfc.jws.deserialize_compact(token, key, algorithms=[algorithm])
    return found.payload or b""


def by_pyjwt(token: str, algorithm: str) -> bytes:
    key = jwt.PyJWK(jwk_of(algorithm)).key
    found: bytes = jwt.PyJWS().decode(token, key, algorithms=[algorithm])
    return found


def by_jwcrypto(token: str, algorithm: str) -> bytes:
    parsed = jwcrypto.jws.JWS()
    parsed.allowed_algs = [algorithm]
    parsed.deserialize(token, jwcrypto.jwk.JWK(**jwk_of(algorithm)))
    found: bytes = parsed.payload
    return found


def judge(token: str) -> None:
    """Where we accept, each of the others must; it gets the same key and the same algorithm."""
    found = ours(token)
    if found is not None:
        for oracle in (by_joserfc, by_pyjwt, by_jwcrypto):
            assert oracle(token, found.header.alg) == found.payload, oracle.__name__


HONEST = {
    algorithm: signed(header(algorithm), payload(), algorithm=algorithm) for algorithm in ALGORITHMS
}

algorithms = st.sampled_from(ALGORITHMS)
places = st.floats(0, 1, exclude_max=True)
letters = st.sampled_from(LETTERS + ODD_LETTERS) | st.characters()


def edit(token: str, where: float, how: str, letter: str) -> str:
    place = int(where * (len(token) + 1))
    if how == "put":
        return token[:place] + letter + token[place:]
    return token[:place] + (letter if how == "change" else "") + token[place + 1 :]


@st.composite
def edited(draw: Callable[..., Any]) -> str:
    """An honest token with one to three letters put in, changed or taken out."""
    algorithm: Algorithm = draw(algorithms)
    token = HONEST[algorithm]
    for _ in range(draw(st.integers(0, 3))):
        how = draw(st.sampled_from(["put", "change", "take"]))
        token = edit(token, draw(places), how, draw(letters))
    return token


@st.composite
def reassembled(draw: Callable[..., Any]) -> str:
    """Segments of honest tokens swapped, repeated, padded and surrounded by space."""
    pool = [part for token in HONEST.values() for part in token.split(".")] + ["", "e30", "e30="]
    parts = draw(st.lists(st.sampled_from(pool), min_size=2, max_size=5))
    if draw(st.booleans()):
        parts = HONEST[draw(algorithms)].split(".")
        parts[draw(st.integers(0, 2))] = draw(st.sampled_from(pool))
    ends = st.sampled_from(["", "=", "==", " ", "\n", "\r\n", "\ufeff", "\0", "."])
    return f"{draw(ends)}{'.'.join(parts)}{draw(ends)}"


EXTRA = {
    "crit": ["exp"],
    "b64": False,
    "zip": "DEF",
    "jwk": jwk_of("ES256"),
    "jku": "https://attacker.example",
    "x5c": ["AAAA"],
    "cty": "JWT",
    "p2c": 1,
    "x": None,
}
names = st.sampled_from([*ALGORITHMS, "Ed25519", "none", "None", "HS256", "PS256", "es256", ""])
around = st.sampled_from(["", "", " ", "\n", "\ufeff", "x"])
spellings = st.sampled_from(["alg", "alg", "\\u0061lg", "ALG", 'alg":"none","alg'])


@st.composite
def resigned(draw: Callable[..., Any]) -> str:
    """Another header and payload, with a good signature by the right key: a careless issuer's."""
    algorithm: Algorithm = draw(algorithms)
    members = header(algorithm)
    if draw(st.booleans()):
        members["alg"] = draw(names)
    for name in draw(st.lists(st.sampled_from(list(EXTRA)), max_size=2)):
        members[name] = EXTRA[name]
    if draw(st.booleans()):
        members["typ"] = draw(st.sampled_from(["JWT", "at+jwt", "a/b", "", " ", 7, None]))
    text = json.dumps(members, indent=draw(st.sampled_from([None, 0, 1])))
    text = draw(around) + text.replace("alg", draw(spellings)) + draw(around)
    body = draw(st.sampled_from([payload(), b"", b"[]"]) | st.binary(max_size=40))
    return signed(text.encode(), body, algorithm=algorithm)


@st.composite
def resignatured(draw: Callable[..., Any]) -> str:
    """An honest token with a signature that was cut, lengthened, negated or made up."""
    algorithm: Algorithm = draw(algorithms)
    head, body, signature = HONEST[algorithm].split(".")
    raw = opened(signature)
    forged = draw(
        st.sampled_from([raw, raw[:-1], raw + b"\0", b"\0" + raw, raw[::-1], twin(raw), b"\0" * 64])
        | st.binary(max_size=70)
    )
    return f"{head}.{body}.{segment(forged)}"


def twin(raw: bytes) -> bytes:
    """The other signature that ECDSA has for each."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return raw[:32] + (-int.from_bytes(raw[32:64], "big") % order).to_bytes(32, "big") + raw[64:]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_others_accept_an_honest_token(algorithm: Algorithm) -> None:
    """Or there would be nothing to compare."""
    assert ours(HONEST[algorithm]) is not None
    judge(HONEST[algorithm])


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edited() | reassembled())
def test_no_edited_token_is_accepted_by_us_alone(token: str) -> None:
    """Letters and segments put in, changed, taken out, swapped and padded."""
    judge(token)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(resigned() | resignatured())
def test_no_signed_oddity_is_accepted_by_us_alone(token: str) -> None:
    """Headers that an issuer should not write, algorithms swapped, signatures bent."""
    judge(token)


@settings(max_examples=1000, deadline=None)
@given(edited() | reassembled())
def test_of_an_edited_token_only_the_honest_text_is_accepted(token: str) -> None:
    """One token is one text: no spelling but the issued one passes."""
    assert ours(token) is None or token in HONEST.values()
