"""Registering, and one's own account."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from counterfoil.errors import RegistrationClosed
from counterfoil.integrations.fastapi.shapes import RevokedShape
from counterfoil.integrations.fastapi.shapes import revoked as revoked_shape
from counterfoil.integrations.fastapi.strict_route import StrictRoute
from counterfoil.server.api import shapes
from counterfoil.server.api.context import Given, Manager, Parts, carry
from counterfoil.server.api.document import SIGNED_IN, refusals

router = APIRouter(prefix="/v1", route_class=StrictRoute, responses=refusals(400, 413, 422, 503))


@router.post("/accounts", status_code=201, responses=refusals(403, 409), tags=["account"])
async def register(request: Request, sent: shapes.NewAccount, parts: Parts) -> shapes.Registered:
    """Register an account, where that is open."""
    parts.carriers.refuse_cross_site(request.method, request.headers.raw)
    if not parts.registration_is_open:
        raise RegistrationClosed
    account = await parts.accounts.register(sent.identifier, sent.password)
    return shapes.Registered(subject=account.subject)


@router.post(
    "/account/password",
    response_model_exclude_none=True,
    responses=refusals(401, 403, 409, 429),
    openapi_extra=SIGNED_IN,
    tags=["account"],
)
async def change_password(
    response: Response,
    sent: shapes.PasswordChange,
    manager: Manager,
    given: Given,
    parts: Parts,
) -> RevokedShape:
    """Change the password; ends my other sessions."""
    revoked = await parts.accounts.change_password(
        manager.subject, current=sent.current, new=sent.new, session_id=manager.session_id
    )
    if given.carrier == "cookie":
        opened = await parts.auth.step_up(given)
        carry(response, opened, parts)
    return revoked_shape(revoked)
