"""The one credential of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.carriers import bearer
from counterfoil.errors import CredentialMissing

if TYPE_CHECKING:
    from counterfoil.carriers.cookie import CookieReader
    from counterfoil.carriers.headers import Headers
    from counterfoil.credential import Presented


def find(
    headers: Headers, cookies: CookieReader, *, client_id: str | None = None
) -> Presented | None:
    """What the request presents: its Authorization header if it has one, else its cookie.

    The header is looked at first and alone: whether a request is checked as cross-site follows
    from the carrier found here, so the presence of a header must not spare a cookie that check.
    """
    return bearer.read(headers) or cookies.credential(headers, client_id=client_id)


def require(headers: Headers, cookies: CookieReader, *, client_id: str | None = None) -> Presented:
    """As `find`; raises `CredentialMissing` when there is none."""
    presented = find(headers, cookies, client_id=client_id)
    if presented is None:
        raise CredentialMissing
    return presented
