"""RFC 7515, appendix A: the examples of the standard itself."""

from __future__ import annotations

from typing import Any

import pytest

import published
from counterfoil import jws
from counterfoil.errors import AuthError, CredentialMalformed

EXAMPLES = published.read("rfc7515_appendix_a.json")
SUPPORTED = {"ES256", "RS256"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["name"]))
def test_an_example_verifies_where_its_algorithm_is_supported(example: dict[str, Any]) -> None:
    """A.2 and A.3 do; HS256, ES512 and the unsecured A.5 are refused."""
    material = jws.import_public(example["jwk"]) if example.get("jwk") else None
    if example["alg"] in SUPPORTED:
        assert material is not None
        assert b"http://example.com/is_root" in jws.parse(example["jws"]).verify(material)
    else:
        assert material is None
        with pytest.raises(AuthError):
            jws.parse(example["jws"]).verify(jws.generate("ES256").public())


def test_the_unsecured_example_is_malformed() -> None:
    """A.5 has an empty signature, and there is no such thing here."""
    unsecured = next(example for example in EXAMPLES if example["alg"] == "none")
    with pytest.raises(CredentialMalformed):
        jws.parse(unsecured["jws"])
