"""The calls about one's own sessions: in an application, and in the standalone server."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from counterfoil.credential import Presented, Verified
from counterfoil.engine import Counterfoil
from counterfoil.errors import ConfigurationError, Forbidden, NotFound, RefreshUnknown
from counterfoil.integrations.fastapi import shapes
from counterfoil.integrations.fastapi.reading import Reading
from counterfoil.integrations.fastapi.refusals import refusals
from counterfoil.integrations.fastapi.schemes import BEARER, REFRESHING
from counterfoil.integrations.fastapi.strict_route import StrictRoute
from counterfoil.outcome import Opened

Asked = Annotated[
    shapes.ClientId | None,
    Query(alias="client_id", description="Whose cookie, where there are several."),
]
Confirm = Annotated[bool, Query(description="By the record, whatever the strategy.")]
_NOTHING_SENT: Final = shapes.Refresh()
_WITHOUT_NULL: Final = {"response_model_exclude_none": True}


def session_routes(auth: Counterfoil, *, prefix: str = "/v1") -> APIRouter:
    """Who am I, refresh, sign out; my devices, end one, end all: the standalone server's calls.

    They are for every client of the engine, whatever audience the middleware asks for, and answer
    their refusals themselves, with or without the middleware. Of several clients' cookies, those of
    the client that the middleware names count, unless the call names one. Raises
    `ConfigurationError` for what holds no sessions: a `Verifier`, an engine without a store.
    """
    if not isinstance(auth, Counterfoil):
        raise ConfigurationError(
            "Give session_routes the Counterfoil that holds the sessions; an application that "
            "only verifies has none."
        )
    _ = auth.store  # raises where there is none
    calls = _Calls(auth)
    router = APIRouter(prefix=prefix, route_class=StrictRoute, responses=refusals(400, 413, 503))
    add = router.add_api_route
    one: dict[str, Any] = {"tags": ["session"], "responses": refusals(401, 403)}
    mine: dict[str, Any] = {**_WITHOUT_NULL, "tags": ["sessions"], "responses": refusals(401, 403)}
    signed_in = [Depends(BEARER)]
    renewed = {**one, "responses": refusals(401, 403, 409)}
    add("/session", calls.who_am_i, methods=["GET"], dependencies=signed_in, **renewed)
    one |= _WITHOUT_NULL  # but a claim may be null
    renewed |= {**_WITHOUT_NULL, "openapi_extra": {REFRESHING: True}}
    add("/session/refresh", calls.refresh, methods=["POST"], **renewed)
    add("/session", calls.sign_out, methods=["DELETE"], dependencies=signed_in, **one)
    add("/sessions", calls.my_devices, methods=["GET"], dependencies=signed_in, **mine)
    add("/sessions", calls.end_all, methods=["DELETE"], dependencies=signed_in, **mine)
    mine["responses"] = refusals(401, 403, 404)
    path = "/sessions/{session_id}"
    add(path, calls.end_one, methods=["DELETE"], dependencies=signed_in, **mine)
    return router


async def managing(auth: Counterfoil, presented: Presented) -> Verified:
    """Who is asking, by the record as it is now. Raises `Forbidden` for a client that may not
    manage."""
    verified = await auth.confirm(presented)
    if not auth.clients[verified.client_id].manage:
        raise Forbidden("Credentials of this client may not manage sessions or accounts.")
    return verified


class _Calls:
    """One engine's."""

    def __init__(self, auth: Counterfoil) -> None:
        self._auth = auth
        self._reading = Reading(auth)

    async def who_am_i(
        self,
        request: Request,
        response: Response,
        client_id: Asked = None,
        *,
        confirm: Confirm = False,
    ) -> shapes.VerifiedShape:
        """Who am I: as the client's strategy answers, or by the record with confirm=true."""
        given = self._reading.presented(request, client_id)
        verified = await (self._auth.confirm(given) if confirm else self._auth.check(given))
        if verified.refresh_due and given.carrier == "cookie":
            # Privileges changed since the handle was issued, so it is replaced (fixation). A handle
            # that a step-up has replaced meanwhile needs no further one.
            with suppress(RefreshUnknown):
                self._carry(response, await self._auth.refresh(given))
        return shapes.verified(verified, self._auth.clients[verified.client_id])

    async def refresh(
        self, request: Request, response: Response, sent: shapes.Refresh = _NOTHING_SENT
    ) -> shapes.OpenedShape:
        """A fresh credential, for the refresh handle or the cookie."""
        given = self._reading.refresh_handle(request, sent)
        opened = await self._auth.refresh(given, client_id=sent.client_id)
        self._carry(response, opened)
        return shapes.opened(opened)

    async def sign_out(
        self, request: Request, response: Response, client_id: Asked = None
    ) -> shapes.RevokedShape:
        """Sign out, also with an expired, stale or suspended credential, or with the handle."""
        given = self._reading.ending(request, client_id)
        revoked = await self._auth.revoke_presented(given)
        self._clear(response, given.client_id)
        return shapes.revoked(revoked)

    async def my_devices(self, request: Request, client_id: Asked = None) -> shapes.Devices:
        """My devices."""
        manager = await self._manager(request, client_id)
        found = await self._auth.sessions(manager.subject)
        clients = self._auth.clients
        return shapes.Devices(
            sessions=[
                shapes.device(each, clients.get(each.client_id), current=manager.session_id)
                for each in found
            ]
        )

    async def end_one(
        self, request: Request, session_id: str, client_id: Asked = None
    ) -> shapes.RevokedShape:
        """End one of my sessions."""
        manager = await self._manager(request, client_id)
        session = await self._auth.session(session_id)
        if session.subject != manager.subject:
            raise NotFound
        return shapes.revoked(await self._auth.revoke(session_id))

    async def end_all(
        self,
        request: Request,
        response: Response,
        client_id: Asked = None,
        keep: Annotated[Literal["current"] | None, Query()] = None,
    ) -> shapes.RevokedShape:
        """End all my sessions, or with keep=current all others."""
        manager = await self._manager(request, client_id)
        kept = manager.session_id if keep else None
        revoked = await self._auth.revoke_all(manager.subject, keep=kept)
        if keep is None:
            self._clear(response, manager.client_id)
        return shapes.revoked(revoked)

    async def _manager(self, request: Request, client_id: str | None) -> Verified:
        return await managing(self._auth, self._reading.presented(request, client_id))

    def _carry(self, response: Response, opened: Opened) -> None:
        """Puts the credential of a cookie client where it belongs."""
        cookies = self._reading.carriers.set_cookies(opened, now=self._auth.clock.now())
        response.raw_headers.extend(cookies)

    def _clear(self, response: Response, client_id: str | None) -> None:
        response.raw_headers.extend(self._reading.carriers.clear_cookies(client_id))
