"""C2SP Wycheproof: thousands of hours of other people's attacks on signatures and keys."""

from __future__ import annotations

from typing import Any

import pytest

import published
from counterfoil import jws
from counterfoil.errors import AuthError
from counterfoil.keys import PublicKeySet
from forging import segment

SUPPORTED = {"ES256", "RS256"}
# Valid or invalid by Wycheproof's word, and each for a reason that is not a reason here.
ODD = {
    346: "a PS384 token with a key for PS256; we have neither",
    347: "the key's alg is the typing error ES521; P-521 is not supported",
    350: "as 346",
    351: "as 347",
    367: "marked invalid, but byte for byte the valid token; HS256 is not supported",
    370: "as 367",
    372: "a `?` inside base64url marked valid; no letter outside the alphabet is ever skipped",
    373: "as 372",
}

Case = tuple[dict[str, Any], dict[str, Any]]


def cases(name: str) -> list[Any]:
    """Each test of a file with its group, called by its number."""
    groups = published.read(f"wycheproof/{name}_test.json")["testGroups"]
    return [
        pytest.param((group, test), id=str(test["tcId"]))
        for group in groups
        for test in group["tests"]
    ]


SIGNATURES = cases("json_web_signature")


def accepts(key: dict[str, Any], token: Any) -> bool:
    """Whether the one key, read as if it had been published, verifies the token."""
    try:
        material = jws.import_public(key)
        if material is None:
            return False
        jws.parse(token).verify(material)
    except AuthError:
        return False
    return True


def set_accepts(keys: dict[str, Any], token: Any) -> bool:
    """Whether a verifier that fetched this key set takes the token."""
    try:
        PublicKeySet.from_jwks(keys).verify(token, purpose="tokens")
    except AuthError:
        return False
    return True


def is_for_us(key: dict[str, Any]) -> bool:
    return key.get("alg") in SUPPORTED and key.get("crv", "P-256") == "P-256"


@pytest.mark.parametrize("case", SIGNATURES)
def test_a_jws_is_accepted_as_expected_and_never_for_another_algorithm(case: Case) -> None:
    """ES256 and RS256 as Wycheproof says; what we do not support is refused, whatever it says."""
    group, test = case
    key = group.get("public") or group["private"]
    expected = test["result"] == "valid" and is_for_us(key)
    assert accepts(key, test["jws"]) == expected


@pytest.mark.parametrize("number", ODD)
def test_an_odd_case_is_refused(number: int) -> None:
    """The eight cases whose expectation is questionable are all refused."""
    group, test = next(case.values[0] for case in SIGNATURES if case.id == str(number))
    assert not accepts(group.get("public") or group["private"], test["jws"]), ODD[number]


@pytest.mark.parametrize("case", cases("json_web_key"))
def test_a_key_set_is_trusted_as_expected(case: Case) -> None:
    """Duplicate kids, weak and ROCA keys, wrong uses, curves and points: refused."""
    group, test = case
    keys = group.get("public") or group["private"]
    supported = all(is_for_us(key) for key in keys["keys"])
    assert set_accepts(keys, test["jws"]) == (test["result"] == "valid" and supported)


@pytest.mark.parametrize("case", cases("json_web_crypto"))
def test_a_mixed_case_is_accepted_as_expected(case: Case) -> None:
    """The same from single keys and sets; everything that is encrypted is refused."""
    group, test = case
    key = group.get("public") or group["private"]
    token = test.get("jws", test.get("jwe", ""))
    if "keys" in key:
        assert not set_accepts(key, token)
    else:
        assert accepts(key, token) == (test["result"] == "valid" and is_for_us(key))


@pytest.mark.parametrize("case", cases("ed25519"))
def test_an_ed25519_signature_is_judged_as_expected(case: Case) -> None:
    """Malleated, cut, foreign and small-order signatures, by the primitive that we use."""
    assert judged(case) == (case[1]["result"] == "valid")


@pytest.mark.parametrize("case", cases("ecdsa_secp256r1_sha256_p1363"))
def test_a_p256_signature_is_judged_as_expected(case: Case) -> None:
    """Every boundary of r and s and of the arithmetic, by the primitive that we use."""
    assert judged(case) == (case[1]["result"] == "valid")


def point(key: dict[str, str]) -> dict[str, str]:
    """A P-256 key's JWK, where a group gives only the coordinates."""
    x, y = (segment(int(key[name], 16).to_bytes(32, "big")) for name in ("wx", "wy"))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def judged(case: Case) -> bool:
    group, test = case
    material = jws.import_public(group.get("publicKeyJwk") or point(group["publicKey"]))
    assert material is not None
    return material.verifies(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
