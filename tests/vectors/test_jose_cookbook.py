"""The JOSE cookbook (RFC 7520, 7797, 8037): other people's tokens, made with published keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import published
from counterfoil import jws
from counterfoil.errors import AuthError
from forging import segment

if TYPE_CHECKING:
    from counterfoil.client import Algorithm

RECIPES = (
    "jws/4_1.rsa_v15_signature",
    "jws/4_2.rsa-pss_signature",
    "jws/4_3.ecdsa_signature",
    "jws/4_4.hmac-sha2_integrity_protection",
    "jws/4_5.signature_with_detached_content",
    "jws/4_6.protecting_specific_header_fields",
    "jws/4_7.protecting_content_only",
    "jws/4_8.multiple_signatures",
    "rfc7797/4.2.hmac-sha2_b64_false",
    "rfc7797/hmac-sha2_b64_false",
    "curve25519/jws",
)
SUPPORTED = {"jws/4_1.rsa_v15_signature": "RS256", "curve25519/jws": "EdDSA"}


def recipe(name: str) -> dict[str, Any]:
    found: dict[str, Any] = published.read(f"jose-cookbook/{name}.json")
    return found


def keys_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    keys = content["input"]["key"]
    return keys if isinstance(keys, list) else [keys]


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_compact_token_verifies_where_its_algorithm_is_supported(name: str) -> None:
    """The payload is the recipe's, and the key it gives is enough."""
    content = recipe(name)
    material = jws.import_private(keys_of(content)[0]).public()
    assert material.algorithm == SUPPORTED[name]
    found = jws.parse(content["output"]["compact"]).verify(material)
    assert found.decode() == content["input"]["payload"]


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_signature_that_can_be_repeated_is(name: str) -> None:
    """RS256 and EdDSA are deterministic: we sign as the recipe does."""
    content = recipe(name)
    material = jws.import_private(keys_of(content)[0])
    signature = material.signature(content["signing"]["sig-input"].encode())
    assert segment(signature) == content["signing"]["sig"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_other_form_is_refused(name: str) -> None:
    """JSON serializations, detached payloads, unencoded payloads and other algorithms."""
    content = recipe(name)
    for form, token in content["output"].items():
        if form == "compact" and name in SUPPORTED:
            continue
        for key in keys_of(content):
            with pytest.raises(AuthError):
                read(token, key)
            with pytest.raises(AuthError):
                read(json.dumps(token), key)


def read(token: Any, key: dict[str, Any]) -> bytes:
    return jws.parse(token).verify(jws.import_private(key).public())


@pytest.mark.parametrize(
    ("name", "algorithm"), [("3_1.ec_public_key", None), ("3_3.rsa_public_key", "RS256")]
)
def test_a_public_key_is_read_when_it_is_for_us(name: str, algorithm: Algorithm | None) -> None:
    """The RSA key is; the P-521 key is for an algorithm that we do not have."""
    material = jws.import_public(published.read(f"jose-cookbook/jwk/{name}.json"))
    assert (material.algorithm if material else None) == algorithm
