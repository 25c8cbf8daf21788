"""These calls in the OpenAPI document: forms in, and OAuth's own refusals out."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel

from counterfoil.server.api.document import refusals
from counterfoil.server.oauth.refusals import Word
from counterfoil.server.urlencoded import TYPE

_REFUSALS: Final = {
    400: "What was sent cannot be read, or is no grant.",
    401: "No client proved that it calls.",
    413: "The body is too long.",
}
_MEANING: Final = {
    "token": "An access token, a session handle or a refresh handle.",
    "token_type_hint": "Not needed: each kind is known by its form.",
    "grant_type": "refresh_token, the only grant there is.",
    "refresh_token": "A refresh handle.",
    "client_id": "Where the secret is in the body.",
    "client_secret": "Where it is not in the Authorization header.",
}
_OPTIONAL: Final = ("token_type_hint", "client_id", "client_secret")
# That, or client_id and client_secret in the body.
_CALLER: Final[dict[str, Any]] = {"security": [{"client_secret_basic": []}, {}]}


class OAuthRefused(BaseModel):
    """RFC 6749, section 5.2, with our `code`."""

    error: Word
    error_description: str
    code: str


class Introspection(BaseModel):
    """RFC 7662, section 2.2. Without `active: true`, nothing else is there."""

    active: bool
    client_id: str | None = None
    token_use: Literal["access_token", "refresh_token"] | None = None
    token_type: Literal["Bearer"] | None = None
    iss: str | None = None
    aud: str | None = None
    sub: str | None = None
    sid: str | None = None
    jti: str | None = None
    iat: int | None = None
    exp: int | None = None
    auth_time: int | None = None
    roles: list[str] | None = None


class Revocation(BaseModel):
    """How many sessions ended, and when nobody accepts their credentials any more."""

    revoked: int
    effective_within_seconds: int | None = None
    elsewhere_within_seconds: int | None = None
    ended_at: str | None = None


class Renewed(BaseModel):
    """RFC 6749, section 5.1, and how long the credential could outlive a revocation."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str
    effective_within_seconds: int
    elsewhere_within_seconds: int


def described(answer: type[BaseModel], *parameters: str) -> dict[str, Any]:
    """What FastAPI is to say of a call with these parameters and this answer."""
    names = dict.fromkeys((*parameters, *_OPTIONAL[1:]))
    form = {
        "type": "object",
        "required": [name for name in names if name not in _OPTIONAL],
        "properties": {name: {"type": "string", "description": _MEANING[name]} for name in names},
    }
    body = {"required": True, "content": {TYPE: {"schema": form}}}
    words: dict[int | str, dict[str, Any]] = {
        status: {"model": OAuthRefused, "description": why} for status, why in _REFUSALS.items()
    }
    return {
        "response_model": answer,
        "responses": {**words, **refusals(429, 503)},
        "openapi_extra": {"requestBody": body, **_CALLER},
    }
