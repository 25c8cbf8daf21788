"""`/oauth/introspect`, `/oauth/revoke` and `/oauth/token`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from counterfoil.client import Client
from counterfoil.credential import Presented
from counterfoil.errors import AuthError, ClaimsTooLarge, Forbidden, Malformed
from counterfoil.integrations.fastapi import shapes
from counterfoil.lifetime import seconds_up
from counterfoil.outcome import Opened
from counterfoil.server.api.context import Context, Parts
from counterfoil.server.oauth.authentication import authenticated
from counterfoil.server.oauth.document import Introspection, Renewed, Revocation, described
from counterfoil.server.oauth.introspection import introspected
from counterfoil.server.oauth.refusals import UNSTORED, OAuthRefusal
from counterfoil.server.oauth.route import OAuthRoute

router = APIRouter(prefix="/oauth", route_class=OAuthRoute, tags=["oauth"])


def form(request: Request) -> dict[str, str]:
    found: dict[str, str] = request.state.form
    return found


Form = Annotated[dict[str, str], Depends(form)]


async def calling(request: Request, sent: Form, parts: Parts) -> Client:
    return await authenticated(request, sent, parts)


Caller = Annotated[Client, Depends(calling)]


@router.post("/introspect", **described(Introspection, "token", "token_type_hint"))
async def introspect(sent: Form, client: Caller, parts: Parts) -> JSONResponse:
    """Whether a credential is good now, by the record (RFC 7662)."""
    return _answer(await introspected(_required(sent, "token"), client, parts))


@router.post("/revoke", **described(Revocation, "token", "token_type_hint"))
async def revoke(sent: Form, client: Caller, parts: Parts) -> JSONResponse:
    """End the session of a credential (RFC 7009)."""
    given = Presented(_required(sent, "token"), carrier=None)
    try:
        done = await parts.auth.revoke_presented(given, client_id=client.client_id)
    except Forbidden as why:
        raise OAuthRefusal("invalid_grant", why) from None
    except AuthError:
        # RFC 7009 §2.2: a client can do nothing about a token that is none. It is told all the
        # same that nothing was ended.
        return _answer({"revoked": 0})
    return _answer(shapes.revoked(done).model_dump(mode="json", exclude_none=True))


@router.post("/token", **described(Renewed, "grant_type", "refresh_token"))
async def token(sent: Form, client: Caller, parts: Parts) -> JSONResponse:
    """A fresh access token for a refresh token (RFC 6749 §6)."""
    if _required(sent, "grant_type") != "refresh_token":
        raise OAuthRefusal("unsupported_grant_type", Malformed("Use grant_type=refresh_token."))
    handle = _required(sent, "refresh_token")
    if "scope" in sent:
        raise OAuthRefusal("invalid_scope", Malformed("Leave scope out: there are none here."))
    if client.carrier != "bearer":
        raise OAuthRefusal(
            "unauthorized_client",
            Forbidden("Credentials of this client travel by cookie and are renewed that way."),
        )
    try:
        opened = await parts.auth.refresh(Presented(handle), client_id=client.client_id)
    except ClaimsTooLarge as why:
        # The refresh token is good, and goes on to be: no word that has a client throw it away.
        raise OAuthRefusal("invalid_request", why) from None
    except AuthError as why:
        raise OAuthRefusal("invalid_grant", why) from None
    return _answer(_renewed(opened, parts))


def _renewed(opened: Opened, parts: Context) -> dict[str, Any]:
    """A `session` client's handle is its access token and its refresh token at once."""
    issued = opened.credential
    left = issued.expires_at - parts.auth.clock.now()
    return {
        "access_token": issued.token,
        "token_type": "Bearer",
        "expires_in": max(0, int(left.total_seconds())),
        "refresh_token": issued.refresh_handle or issued.token,
        "effective_within_seconds": seconds_up(opened.effective_within),
        "elsewhere_within_seconds": seconds_up(opened.elsewhere_within),
    }


def _required(sent: dict[str, str], name: str) -> str:
    if name not in sent:
        raise Malformed(f"Send {name}.")
    return sent[name]


def _answer(members: dict[str, Any]) -> JSONResponse:
    return JSONResponse(members, headers=UNSTORED)
