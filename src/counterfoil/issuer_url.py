"""The URL of an issuer: what may stand in `iss`, and be fetched from."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from counterfoil.errors import ConfigurationError

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_ISSUER: Final = 200  # a token names a status list by it, in at most 255 characters


def require_issuer(issuer: str) -> str:
    """An issuer's URL: https except on loopback, no query, no fragment, no slash at its end
    (RFC 8414 §2). Raises `ConfigurationError`."""
    try:
        parts = urlsplit(issuer)
        has_port = parts.port != 0
    except ValueError as why:
        raise ConfigurationError("Set the issuer to a URL such as https://auth.example.") from why
    is_loopback = parts.hostname in LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
        raise ConfigurationError(
            "Set the issuer to an https URL, such as https://auth.example; "
            "http is for loopback only, such as http://localhost:8000."
        )
    if (
        not parts.hostname
        or not has_port
        or parts.username
        or not re.fullmatch(r"[\x21-\x7e]+", issuer)
    ):
        raise ConfigurationError("Set the issuer to a URL such as https://auth.example.")
    if not issuer.startswith(f"{parts.scheme}://{parts.netloc.lower()}"):
        raise ConfigurationError("Write the scheme and the host of the issuer in lower case.")
    if len(issuer) > LONGEST_ISSUER:
        raise ConfigurationError(f"Set the issuer to at most {LONGEST_ISSUER} characters.")
    if parts.query or parts.fragment or issuer.endswith(("/", "?", "#")):
        raise ConfigurationError("Write the issuer without query, fragment or slash at its end.")
    return issuer
