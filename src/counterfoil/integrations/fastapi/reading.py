"""What a request presents, with the middleware around it or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.carriers import bearer
from counterfoil.carriers.clients import ClientCarriers
from counterfoil.credential import Presented
from counterfoil.errors import ConfigurationError, Malformed
from counterfoil.integrations import asgi

if TYPE_CHECKING:
    from starlette.requests import Request

    from counterfoil.engine import Counterfoil
    from counterfoil.integrations.fastapi.shapes import Refresh
    from counterfoil.outcome import Opened


class Reading:
    """Reads requests for one engine's clients.

    Where the middleware has renewed a cookie client's credential, the cookies that came are spent,
    and what it was given counts in their place.
    """

    def __init__(self, auth: Counterfoil) -> None:
        self._auth = auth
        self.carriers = ClientCarriers(auth.clients, issuer=auth.issuer)

    def presented(self, request: Request, client_id: str | None) -> Presented:
        """The one credential. A cookie counts only where the request is not cross-site."""
        client_id = self._named(request, client_id)
        renewed = self.renewed(request, client_id)
        if renewed is not None:
            return Presented(renewed.credential.token, "cookie", renewed.credential.client_id)
        carriers = self._carriers(request)
        return carriers.require(request.method, request.headers.raw, client_id=client_id)

    def ending(self, request: Request, client_id: str | None) -> Presented:
        """What to sign out with, which may be spent or expired."""
        carriers, client_id = self._carriers(request), self._named(request, client_id)
        return carriers.require_ending(request.method, request.headers.raw, client_id=client_id)

    def refresh_handle(self, request: Request, sent: Refresh) -> Presented:
        """The handle in the body, or in the cookie; one of them, and no bearer header beside it."""
        headers = request.headers.raw
        if sent.refresh_handle is None:
            client_id = self._named(request, sent.client_id)
            return self._carriers(request).require_handle(
                request.method, headers, client_id=client_id
            )
        if bearer.read(headers) is not None:
            raise Malformed("Send the handle as refresh_handle, without an Authorization header.")
        return Presented(sent.refresh_handle)

    def renewed(self, request: Request, client_id: str | None) -> Opened | None:
        """What the middleware has renewed for this request, if it is of this client."""
        if not self._is_around(request):
            return None
        opened = asgi.renewed_of(request.scope)
        is_asked = opened is not None and client_id in {None, opened.credential.client_id}
        return opened if is_asked else None

    def _named(self, request: Request, client_id: str | None) -> str | None:
        """Whose cookies: what the call says, else what the middleware was told."""
        if client_id is None and self._is_around(request):
            return asgi.client_id_of(request.scope)
        return client_id

    def _carriers(self, request: Request) -> ClientCarriers:
        """The middleware's, which may know further origins."""
        return asgi.carriers_of(request.scope) if self._is_around(request) else self.carriers

    def _is_around(self, request: Request) -> bool:
        if asgi.KEY not in request.scope:
            return False
        if asgi.auth_of(request.scope) is not self._auth:
            raise ConfigurationError("Give session_routes and the middleware the same Counterfoil.")
        return True
