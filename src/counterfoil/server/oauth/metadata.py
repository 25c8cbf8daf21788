"""What the metadata says of these calls (RFC 8414 §2)."""

from __future__ import annotations

from typing import Any

from counterfoil.server.oauth.authentication import METHODS


def metadata(issuer: str) -> dict[str, Any]:
    """The members beside those that every issuer has."""
    found: dict[str, Any] = {"grant_types_supported": ["refresh_token"]}
    for name, path in (
        ("token", "/oauth/token"),
        ("introspection", "/oauth/introspect"),
        ("revocation", "/oauth/revoke"),
    ):
        found[f"{name}_endpoint"] = issuer + path
        found[f"{name}_endpoint_auth_methods_supported"] = [*METHODS]
    return found
