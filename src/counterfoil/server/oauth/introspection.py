"""What introspection says of a credential (RFC 7662 §2.2): all of it, or that it is not active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from counterfoil import handle as handles
from counterfoil.credential import Presented
from counterfoil.errors import AuthError
from counterfoil.token import read

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.client import Client
    from counterfoil.server.api.context import Context

INACTIVE: Final = {"active": False}


async def introspected(text: str, asking: Client, parts: Context) -> dict[str, Any]:
    """The answer to this client, by the record as it is now. Whatever is not good, is of another
    audience, or travels in a cookie, is not active, and nothing tells which. A refresh handle is
    shown to its own client alone. Raises `Unavailable`, which is never an answer."""
    try:
        verified = await parts.auth.introspect(Presented(text, "bearer"))
        owner = parts.auth.clients.get(verified.client_id)
        if owner is None:
            return INACTIVE
        renews = owner.signs and handles.looks_like(text)
        if owner.audience != asking.audience or (renews and owner.client_id != asking.client_id):
            return INACTIVE
        signed = {} if handles.looks_like(text) else _signed(text, owner, parts)
    except AuthError:
        return INACTIVE
    told = {
        "active": True,
        "client_id": verified.client_id,
        "token_use": "refresh_token" if renews else "access_token",
        **({} if renews else {"token_type": "Bearer"}),
        "iss": parts.auth.issuer,
        "aud": owner.audience,
        "sub": verified.subject,
        "sid": verified.session_id,
        "exp": _seconds(verified.expires_at),
        "auth_time": _seconds(verified.auth_time),
        **signed,
    }
    # No claim of an application may stand for one of these.
    return told | {name: value for name, value in verified.claims.items() if name not in told}


def _signed(text: str, owner: Client, parts: Context) -> dict[str, Any]:
    """What only the token itself says."""
    keys = parts.auth.keys.public_keys()
    token = read(text, keys=keys, issuer=parts.auth.issuer, typ=lambda _: owner.typ)
    return {"iat": _seconds(token.iat), "jti": token.jti}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
