"""The Authorization header of RFC 6750 §2.1, and the challenge of its §3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from counterfoil.carriers.headers import Headers, single
from counterfoil.credential import Presented
from counterfoil.errors import CredentialMalformed, CredentialMissing, SignInRefused, TooLarge

if TYPE_CHECKING:
    from counterfoil.errors import AuthError

LIMIT = 16 * 1024
_TOKEN68 = re.compile(rb"[A-Za-z0-9\-._~+/]++=*+")  # RFC 9110 §11.2


def read(headers: Headers) -> Presented | None:
    """The credential in the Authorization header; None without that header.

    A header that is there authenticates as bearer or fails: every other scheme and form raises
    `CredentialMalformed`, two headers `Malformed`, so that a request which carries one never
    falls back to its cookie.
    """
    value = single(headers, b"authorization")
    if value is None:
        return None
    if len(value) > LIMIT:
        raise TooLarge(f"The Authorization header is longer than {LIMIT} bytes.")
    scheme, _, text = value.partition(b" ")
    if scheme.lower() != b"bearer" or not _TOKEN68.fullmatch(text):
        raise CredentialMalformed("The Authorization header is not `Bearer`, a space, a token.")
    return Presented(text.decode("ascii"), "bearer")


def challenge(error: AuthError) -> tuple[bytes, bytes]:
    """The WWW-Authenticate header of a 401.

    RFC 6750 §3 asks for at least one parameter, and for no error where nothing was presented.
    """
    if isinstance(error, (CredentialMissing, SignInRefused)):
        return b"www-authenticate", b'Bearer realm="counterfoil"'
    value = f'Bearer realm="counterfoil", error="invalid_token", error_description="{error.code}"'
    return b"www-authenticate", value.encode("ascii")
