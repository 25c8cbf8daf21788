"""Sign in and step up; the other calls about sessions are `integrations.fastapi.session_routes`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from counterfoil.errors import ClientUnknown
from counterfoil.integrations.fastapi.refusals import refusals
from counterfoil.integrations.fastapi.shapes import OpenedShape
from counterfoil.integrations.fastapi.shapes import opened as opened_shape
from counterfoil.integrations.fastapi.strict_route import StrictRoute
from counterfoil.server.api import shapes
from counterfoil.server.api.context import Given, Manager, Parts, carry, device, end_former
from counterfoil.server.api.document import SIGNED_IN

router = APIRouter(prefix="/v1", route_class=StrictRoute, responses=refusals(400, 413, 503))


@router.post(
    "/sessions",
    status_code=201,
    response_model_exclude_none=True,
    responses=refusals(401, 403, 409, 429),
    tags=["sessions"],
)
async def sign_in(
    request: Request, response: Response, sent: shapes.SignIn, parts: Parts
) -> OpenedShape:
    """Sign in."""
    parts.carriers.refuse_cross_site(request.method, request.headers.raw)
    client = await parts.clients.found(sent.client_id)
    if client is None:
        raise ClientUnknown
    address = parts.address(request)
    signed_in = await parts.accounts.sign_in(sent.identifier, sent.password, address=address)
    opened = await parts.auth.open(
        signed_in.subject,
        client_id=client.client_id,
        device=device(request),
        address=address,
        expected=signed_in.expected,
    )
    if client.carrier == "cookie":
        await end_former(request, client, parts)
    carry(response, opened, parts)
    return opened_shape(opened)


@router.post(
    "/session/step-up",
    response_model_exclude_none=True,
    responses=refusals(401, 403, 409, 429),
    openapi_extra=SIGNED_IN,
    tags=["session"],
)
async def step_up(
    response: Response, sent: shapes.StepUp, manager: Manager, given: Given, parts: Parts
) -> OpenedShape:
    """Confirm the password: a new handle, and a new auth_time."""
    await parts.accounts.confirm_password(manager.subject, manager.session_id, sent.password)
    opened = await parts.auth.step_up(given)
    carry(response, opened, parts)
    return opened_shape(opened)
