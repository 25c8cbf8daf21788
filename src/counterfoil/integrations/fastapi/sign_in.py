"""The answer to whoever has just signed in."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from counterfoil import handle as handles
from counterfoil.carriers.cookie import set_cookies
from counterfoil.errors import AuthError, CrossSite, Unavailable
from counterfoil.integrations import asgi
from counterfoil.integrations.confirming import keeps_records
from counterfoil.integrations.fastapi.refusals import unstored
from counterfoil.integrations.fastapi.shapes import opened as shape

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from counterfoil.carriers.clients import ClientCarriers
    from counterfoil.carriers.headers import Headers
    from counterfoil.engine import Counterfoil
    from counterfoil.outcome import Opened


def sign_in_response(opened: Opened, status_code: int = 201) -> JSONResponse:
    """The answer of your own sign-in call, the same as the standalone server's.

    A bearer client gets its credential in the body; a cookie client gets `Set-Cookie` and no
    secret in the body. Nobody may store it. As it leaves, the session whose cookie it replaces is
    ended. A request of another site is answered 403 `cross_site` instead, and the session just
    opened is ended: depend on `own_site` too, which refuses before a password is looked at.
    Needs the middleware around it. status_code: 200 after `step_up` or `refresh`.
    """
    return _SignedIn(opened, status_code)


class _SignedIn(JSONResponse):
    def __init__(self, opened: Opened, status_code: int) -> None:
        super().__init__(shape(opened).model_dump(mode="json", exclude_none=True), status_code)
        self._opened = opened
        issued = opened.credential
        if issued.carrier == "cookie":
            self.raw_headers.extend(set_cookies(issued, now=issued.issued_at))
        unstored(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        auth, carriers = asgi.auth_of(scope), asgi.carriers_of(scope)
        try:
            carriers.refuse_cross_site(scope["method"], scope["headers"])
        except CrossSite:
            with suppress(AuthError, Unavailable):
                await auth.revoke(self._opened.session.id, because="cross_site")
            raise
        issued = self._opened.credential
        if issued.carrier == "cookie":
            client_id, own = issued.client_id, self._opened.session.id
            await end_former(auth, carriers, scope["headers"], client_id=client_id, keep=own)
        await super().__call__(scope, receive, send)


async def end_former(
    auth: Counterfoil,
    carriers: ClientCarriers,
    headers: Headers,
    *,
    client_id: str,
    keep: str | None = None,
) -> None:
    """Ends the session whose cookie a sign-in replaces (ASVS 7.2.4), if that can be done now: the
    new one is open already, and its credential must reach the client. keep: an id not to end: after
    a step-up, the new session is the former one."""
    with suppress(AuthError, Unavailable):
        former = carriers.cookies.refresh_handle(headers, client_id=client_id)
        if former is None or not keeps_records(auth):
            return
        handle = handles.parse(former.text, secrets=auth.keys.handle_secrets())
        if handle.session_id != keep:
            await auth.revoke_presented(former)
