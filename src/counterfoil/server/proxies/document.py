"""`/v1/check` in the OpenAPI document; `check.py` answers it without FastAPI."""

from __future__ import annotations

from typing import Any, Final

from counterfoil.server.api.document import SIGNED_IN, refusals

_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"}
_ROLE: Final = {"type": "string", "pattern": r"^[A-Za-z0-9_.:/-]{1,64}$"}


def _asks(name: str, description: str, schema: dict[str, Any], *, required: bool = False) -> Any:
    place = {"name": name, "in": "query", "required": required}
    return {**place, "description": description, "schema": schema}


def _tells(description: str) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": {"type": "string"}}


CHECK: Final[dict[str, Any]] = {
    "tags": ["check"],
    "summary": "May this request pass",
    "description": (
        "For proxies: whether the request that they describe may pass to an application. Asked"
        " with any method; a refusal is always 401, 403 or 503, with the codes malformed and"
        " too_large as 401. 400: the proxy asks what is not understood. docs/proxies.md has"
        " configurations."
    ),
    "operationId": "check_v1_check_get",
    "parameters": [
        _asks("audience", "Of the application behind the proxy.", _NAME, required=True),
        _asks("role", "What the subject must have; else 403.", _ROLE),
        _asks("client_id", "Whose cookie, where there are several.", _NAME),
        _asks(
            "login",
            "How a person who opens a page without a credential is sent to the sign-in page:"
            " redirect answers 302, header answers 401 with X-Auth-Login.",
            {"type": "string", "enum": ["redirect", "header"]},
        ),
    ],
    "responses": {
        "200": {
            "description": "It may pass, as this subject.",
            "headers": {
                "X-Auth-Subject": _tells("Who sent it."),
                "X-Auth-Session": _tells("The session's id."),
                "X-Auth-Client": _tells("The client_id."),
                "X-Auth-Roles": _tells("The roles with commas between them; empty without any."),
            },
        },
        "302": {"description": "Sign in there and come back; only with login=redirect."},
        **{str(status): told for status, told in refusals(400, 401, 403, 413, 503).items()},
    },
    **SIGNED_IN,
}
