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
# Any one of these; the names stand for the schemes of `_schemes`.
SIGNED_IN: Final = {"security": [{"bearer": []}, {"cookie": []}]}
REFRESHING: Final = {"security": [{}, {"refresh_cookie": []}]}


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

    app.openapi = openapi  # type: ignore[method-assign] - as FastAPI's documentation has it


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
    found: dict[str, dict[str, Any]] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for client in clients.values():
        if client.carrier == "cookie":
            name = client.client_id
            found[f"cookie_{name}"] = _cookie(cookie_name(name))
            last = refresh_cookie_name(name) if client.signs else cookie_name(name)
            found[f"refresh_cookie_{name}"] = _cookie(last)
    return found


def _cookie(name: str) -> dict[str, Any]:
    return {"type": "apiKey", "in": "cookie", "name": name}


def _complete(document: dict[str, Any], schemes: dict[str, dict[str, Any]]) -> None:
    components = document["components"]
    components["securitySchemes"] = schemes
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
                operation["security"] = _expanded(operation["security"], schemes)


def _expanded(asked: list[dict[str, Any]], schemes: dict[str, Any]) -> list[dict[str, Any]]:
    """A requirement for each client's cookie where any cookie will do."""
    found: list[dict[str, Any]] = []
    for requirement in asked:
        name = next(iter(requirement), "")
        own = [scheme for scheme in schemes if name in {scheme, scheme.rpartition("cookie_")[0] + "cookie"}]
        found += [{scheme: []} for scheme in own] if name else [{}]
    return found
