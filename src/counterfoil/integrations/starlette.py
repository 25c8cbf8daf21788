"""Starlette: what the middleware found as `request.user` and `request.auth`; cookies on answers.

Everything else works on a request as it is: `current_session(request)`, `optional_session(request)`
of `counterfoil.integrations.asgi`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    UnauthenticatedUser,
)

from counterfoil.errors import AuthError
from counterfoil.integrations.asgi import (
    auth_of,
    carriers_of,
    client_id_of,
    optional_session,
    presented_of,
)

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response

    from counterfoil.credential import Verified
    from counterfoil.outcome import Opened

AUTHENTICATED: Final = "authenticated"


class SessionUser(BaseUser):
    """`request.user` of somebody who is signed in; `verified` is what the check found."""

    def __init__(self, verified: Verified) -> None:
        self.verified = verified

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        """The subject: names are the application's to know."""
        return self.verified.subject

    @property
    def identity(self) -> str:
        return self.verified.subject


class SessionBackend(AuthenticationBackend):
    """For Starlette's `AuthenticationMiddleware`, which goes inside `AuthMiddleware`.

    Scopes are `authenticated` and the roles; a visitor is an `UnauthenticatedUser` without any, so
    a role that is called `authenticated` gives nobody anything. What `optional_session` raises is
    no `AuthenticationError`: it passes Starlette by, and `AuthMiddleware` answers it with its own
    status, an outage with 503. Every answer to a request that comes this way is `no-store`.
    """

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        verified = optional_session(conn)
        if verified is None:
            return AuthCredentials(), UnauthenticatedUser()
        return AuthCredentials([AUTHENTICATED, *verified.roles]), SessionUser(verified)


def set_cookies(response: Response, request: Request, opened: Opened) -> None:
    """Hands a cookie client its credential; nothing happens for a bearer client.

    Raises `CrossSite` for a form that another site sent: it would sign this person in as somebody
    else (login CSRF).
    """
    carriers = carriers_of(request)
    if opened.credential.carrier == "cookie":
        carriers.refuse_cross_site(request.method, request.headers.raw)
    now = auth_of(request).clock.now()
    response.raw_headers.extend(carriers.set_cookies(opened, now=now))


def clear_cookies(response: Response, request: Request) -> None:
    """Takes the cookies back that the request came with, after you have revoked; none without."""
    response.raw_headers.extend(carriers_of(request).clear_cookies(_client_id(request)))


def _client_id(request: Request) -> str | None:
    presented = presented_of(request)
    if presented is not None:
        return presented.client_id
    carriers, client_id = carriers_of(request), client_id_of(request)
    try:
        return carriers.require_ending(
            request.method, request.headers.raw, client_id=client_id
        ).client_id
    except AuthError:
        return None
