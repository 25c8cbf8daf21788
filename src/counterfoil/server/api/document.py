"""The OpenAPI document: every refusal as the problem it is, and which calls need a credential."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field

from counterfoil.carriers.cookie import cookie_name, refresh_cookie_name
from counterfoil.integrations.problem import STATUS_OF_CODE
from counterfoil.server.api.shapes import Moment

if TYPE_CHECKING:
    from fastapi import FastAPI

    from counterfoil.server.clients import RegisteredClients

_PROBLEM: Final = "Problem"
_HEADERS: Final = {
    401: ("WWW-Authenticate", "RFC 6750, section 3.", "string"),
    429: ("Retry-After", "Seconds to wait.", "integer"),
    503: ("Retry-After", "Seconds to wait.", "integer"),
}
# Any one of these; the names are kinds of `_schemes`.
SIGNED_IN: Final[dict[str, Any]] = {"security": [{"bearer": []}, {"cookie": []}]}
REFRESHING: Final[dict[str, Any]] = {"security": [{}, {"refresh_cookie": []}]}


class Problem(BaseModel):
    """RFC 9457 problem details; `code` is stable."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(examples=["session_revoked"])
    next_step: str
    retry_after: int | None = None
    expires_at: Moment | None = None
    available_at: Moment | None = None


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a call may refuse with, as FastAPI takes it."""
    return {status: _refusal(status) for status in statuses}


def complete(app: FastAPI, clients: RegisteredClients) -> None:
    """Makes the application's document tell of refusals and credentials; anew with new clients."""
    plain, made_for = app.openapi, -1

    def openapi() -> dict[str, Any]:
        nonlocal made_for
        if app.openapi_schema is None or made_for != clients.version:
            made_for, app.openapi_schema = clients.version, None
            _complete(plain(), _schemes(clients))
        assert app.openapi_schema is not None  # noqa: S101 - `plain` keeps what it made there
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way


def _refusal(status: int) -> dict[str, Any]:
    codes = ", ".join(code for code, its in STATUS_OF_CODE.items() if its == status)
    content = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}}
    found: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}: {codes}",
        "content": content,
    }
    if status in _HEADERS:
        name, description, kind = _HEADERS[status]
        found["headers"] = {
            name: {"description": description, "required": True, "schema": {"type": kind}}
        }
    return found


def _schemes(clients: RegisteredClients) -> dict[str, dict[str, Any]]:
    """Security schemes by kind, then by name: a cookie has its client's name."""
    cookies, renewing = {}, {}
    for client in clients.values():
        if client.carrier == "cookie":
            own = cookie_name(client.client_id)
            last = refresh_cookie_name(client.client_id) if client.signs else own
            cookies[f"cookie_{client.client_id}"] = _cookie(own)
            renewing[f"refresh_cookie_{client.client_id}"] = _cookie(last)
    bearer = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {"bearer": bearer, "cookie": cookies, "refresh_cookie": renewing}


def _cookie(name: str) -> dict[str, Any]:
    return {"type": "apiKey", "in": "cookie", "name": name}


def _complete(document: dict[str, Any], schemes: dict[str, dict[str, Any]]) -> None:
    components = document["components"]
    components["securitySchemes"] = {
        name: scheme for kind in schemes.values() for name, scheme in kind.items()
    }
    schemas = components["schemas"]
    schemas[_PROBLEM] = Problem.model_json_schema(mode="serialization")
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            # FastAPI's own refusal of what it cannot read; ours is 400 `malformed`.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            if "security" in operation:
                operation["security"] = _any_of(operation["security"], schemes)


def _any_of(
    asked: list[dict[str, Any]], schemes: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The kinds that were asked for as the schemes there are; {}: none is needed."""
    found: list[dict[str, Any]] = []
    for requirement in asked:
        names = [name for kind in requirement for name in schemes[kind]]
        found += [{name: []} for name in names] if requirement else [{}]
    return found
