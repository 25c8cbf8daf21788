"""Writes that another site makes a browser send are refused.

Fetch Metadata first, Origin where it is absent, as Go 1.25's CrossOriginProtection and the OWASP
CSRF cheat sheet. For requests whose credential is a cookie, and for sign-in and registration,
where there is no cookie yet (login CSRF); a bearer header is never sent by another site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.carriers.headers import Headers, single
from counterfoil.errors import CrossSite

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({b"same-origin", b"none"})  # none: typed or bookmarked by the person


def refuse_cross_site(method: str, headers: Headers, *, allowed_origins: AbstractSet[str]) -> None:
    """Raises `CrossSite` for an unsafe method that comes from another origin.

    Sibling hosts (`same-site`) are other origins. Origin must equal one of `allowed_origins`, such
    as `https://app.example`; `null` never does. Without either header it is no browser, and
    passes. A header twice is `Malformed`. A WebSocket opens with GET and is no safe read: pass any
    other word as its method.
    """
    if method in _SAFE_METHODS:
        return
    site = single(headers, b"sec-fetch-site")
    origin = single(headers, b"origin")
    if site is not None:
        if site not in _OWN:
            raise CrossSite("Sec-Fetch-Site says that another site sent this.")
        return
    if origin is not None and origin.decode("latin-1") not in allowed_origins - {"null"}:
        raise CrossSite("Origin is neither that of the issuer nor one that was named besides it.")
