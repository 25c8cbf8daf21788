"""Where a call needs a credential, for the OpenAPI document; nothing here decides anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from counterfoil.carriers.cookie import cookie_name, refresh_cookie_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from counterfoil.client import Client


class _Needed(SecurityBase):
    """Depended upon, it puts its scheme into the document, with the roles that are asked for."""

    def __init__(self, scheme_name: str) -> None:
        self.model = HTTPBearer()
        self.scheme_name = scheme_name

    async def __call__(self) -> None:
        """The check is the middleware's."""


# Any credential of the application's clients will do; which there are, `document.complete` knows.
BEARER: Final = _Needed("bearer")
OPTIONAL: Final = _Needed("bearer_optional")  # the call can be made without
REFRESHING: Final = "x-counterfoil-refresh"  # takes a refresh cookie, or the handle in its body


def credentials(clients: Iterable[Client]) -> dict[str, dict[str, Any]]:
    """What a call may be made with, by the name in the document: a cookie has its client's."""
    own = {"bearer": {"type": "http", "scheme": "bearer"}}
    for client in clients:
        if client.carrier == "cookie":
            own[f"cookie_{client.client_id}"] = _cookie(cookie_name(client.client_id))
    return own


def renewing(clients: Iterable[Client]) -> dict[str, dict[str, Any]]:
    """The cookies that renew a credential: at `session` it is the credential itself."""
    own = {}
    for client in clients:
        if client.carrier == "cookie":
            named = refresh_cookie_name if client.signs else cookie_name
            own[f"refresh_cookie_{client.client_id}"] = _cookie(named(client.client_id))
    return own


def _cookie(name: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "cookie", "name": name}
