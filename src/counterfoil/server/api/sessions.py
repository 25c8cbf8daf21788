"""Sign in, who am I, refresh, step up, sign out; my devices."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from counterfoil.carriers import bearer
from counterfoil.client import Client
from counterfoil.credential import Presented
from counterfoil.errors import (
    AuthError,
    ClientUnknown,
    Malformed,
    NotFound,
    RefreshUnknown,
    Unavailable,
)
from counterfoil.outcome import Opened
from counterfoil.server.api import shapes
from counterfoil.server.api.context import (
    Asked,
    Context,
    Given,
    Manager,
    Parts,
    carry,
    clear,
    device,
)
from counterfoil.server.api.document import REFRESHING, SIGNED_IN, refusals
from counterfoil.server.api.route import StrictRoute

router = APIRouter(prefix="/v1", route_class=StrictRoute, responses=refusals(400, 413, 503))
_NOTHING_SENT = shapes.Refresh()


@router.post(
    "/sessions",
    status_code=201,
    response_model_exclude_none=True,
    responses=refusals(401, 403, 429),
    tags=["sessions"],
)
async def sign_in(
    request: Request, response: Response, sent: shapes.SignIn, parts: Parts
) -> shapes.OpenedShape:
    """Sign in."""
    parts.carriers.refuse_cross_site(request.method, request.headers.raw)
    client = parts.clients.get(sent.client_id)
    if client is None:
        raise ClientUnknown
    signed_in = await parts.accounts.sign_in(
        sent.identifier, sent.password, address=parts.address(request)
    )
    opened = await parts.auth.open(
        signed_in.subject,
        client_id=client.client_id,
        device=device(request),
        expected=signed_in.expected,
    )
    if client.carrier == "cookie":
        await _end_former(request, client, parts)
    return _given(response, opened, parts)


@router.get("/session", responses=refusals(401, 403), openapi_extra=SIGNED_IN, tags=["session"])
async def who_am_i(response: Response, given: Given, parts: Parts) -> shapes.VerifiedShape:
    """Who am I: as the client's strategy answers."""
    verified = await parts.auth.check(given)
    if verified.refresh_due and given.carrier == "cookie":
        # Privileges changed since the handle was issued, so it is replaced (fixation). A handle
        # that a step-up has replaced meanwhile needs no further one.
        with suppress(RefreshUnknown):
            opened = await parts.auth.refresh(given)
            carry(response, opened, parts)
    return shapes.verified(verified)


@router.post(
    "/session/refresh",
    response_model_exclude_none=True,
    responses=refusals(401, 403),
    openapi_extra=REFRESHING,
    tags=["session"],
)
async def refresh(
    request: Request, response: Response, parts: Parts, sent: shapes.Refresh = _NOTHING_SENT
) -> shapes.OpenedShape:
    """A fresh credential, for the refresh handle or the cookie."""
    given = _refresh_handle(request, sent, parts)
    opened = await parts.auth.refresh(given, client_id=sent.client_id)
    return _given(response, opened, parts)


@router.post(
    "/session/step-up",
    response_model_exclude_none=True,
    responses=refusals(401, 403, 429),
    openapi_extra=SIGNED_IN,
    tags=["session"],
)
async def step_up(
    response: Response, sent: shapes.StepUp, manager: Manager, given: Given, parts: Parts
) -> shapes.OpenedShape:
    """Confirm the password: a new handle, and a new auth_time."""
    await parts.accounts.confirm_password(manager.subject, manager.session_id, sent.password)
    opened = await parts.auth.step_up(given)
    return _given(response, opened, parts)


@router.delete(
    "/session",
    response_model_exclude_none=True,
    responses=refusals(401, 403),
    openapi_extra=SIGNED_IN,
    tags=["session"],
)
async def sign_out(
    request: Request, response: Response, parts: Parts, client_id: Asked = None
) -> shapes.RevokedShape:
    """Sign out, also with an expired, stale or suspended credential, or with the handle."""
    headers = request.headers.raw
    given = parts.carriers.require_ending(request.method, headers, client_id=client_id)
    revoked = await parts.auth.revoke_presented(given)
    clear(response, given.client_id, parts)
    return shapes.revoked(revoked)


@router.get("/sessions", responses=refusals(401, 403), openapi_extra=SIGNED_IN, tags=["sessions"])
async def my_devices(manager: Manager, parts: Parts) -> shapes.Devices:
    """My devices."""
    found = await parts.auth.sessions(manager.subject)
    return shapes.Devices(
        sessions=[
            shapes.device(each, parts.clients.get(each.client_id), current=manager.session_id)
            for each in found
        ]
    )


@router.delete(
    "/sessions/{session_id}",
    response_model_exclude_none=True,
    responses=refusals(401, 403, 404),
    openapi_extra=SIGNED_IN,
    tags=["sessions"],
)
async def end_one(session_id: str, manager: Manager, parts: Parts) -> shapes.RevokedShape:
    """End one of my sessions."""
    session = await parts.auth.session(session_id)
    if session.subject != manager.subject:
        raise NotFound
    return shapes.revoked(await parts.auth.revoke(session_id))


@router.delete(
    "/sessions",
    response_model_exclude_none=True,
    responses=refusals(401, 403),
    openapi_extra=SIGNED_IN,
    tags=["sessions"],
)
async def end_all(
    response: Response,
    manager: Manager,
    parts: Parts,
    keep: Annotated[Literal["current"] | None, Query()] = None,
) -> shapes.RevokedShape:
    """End all my sessions, or with keep=current all others."""
    kept = manager.session_id if keep else None
    revoked = await parts.auth.revoke_all(manager.subject, keep=kept)
    if keep is None:
        clear(response, manager.client_id, parts)
    return shapes.revoked(revoked)


def _given(response: Response, opened: Opened, parts: Context) -> shapes.OpenedShape:
    """The answer to whoever was given a credential, in the body or in cookies."""
    carry(response, opened, parts)
    return shapes.opened(opened, parts.clients[opened.session.client_id])


async def _end_former(request: Request, client: Client, parts: Context) -> None:
    """Ends the session whose cookie this sign-in replaces (ASVS 7.2.4), if that can be done now:
    the new one is open already, and its credential must reach the client."""
    with suppress(AuthError, Unavailable):
        former = parts.carriers.cookies.refresh_handle(
            request.headers.raw, client_id=client.client_id
        )
        if former is not None:
            await parts.auth.revoke_presented(former)


def _refresh_handle(request: Request, sent: shapes.Refresh, parts: Context) -> Presented:
    """The handle in the body, or in the cookie; one of them, and no bearer header beside it."""
    headers = request.headers.raw
    if sent.refresh_handle is None:
        return parts.carriers.require_handle(request.method, headers, client_id=sent.client_id)
    if bearer.read(headers) is not None:
        raise Malformed("Send the handle as refresh_handle, without an Authorization header.")
    return Presented(sent.refresh_handle)
