"""The OpenAPI document completed: who may call what, by which cookies, and every refusal."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from counterfoil.integrations.fastapi import schemes
from counterfoil.integrations.fastapi.refusals import SCHEMA, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastapi import FastAPI

    from counterfoil.client import Client

_BEARER: Final = schemes.BEARER.scheme_name
_OPTIONAL: Final = schemes.OPTIONAL.scheme_name
_PROBLEMS: Final = "application/problem+json"
_REFUSED: Final = (401, 403, 503)  # wherever a credential is asked for


def complete(app: FastAPI, clients: Mapping[str, Client]) -> None:
    """Makes the application's document tell of refusals and credentials; anew with new clients,
    and with new routes."""
    plain = app.openapi
    made: dict[str, Any] | None = None
    made_for: tuple[Client, ...] = ()

    def openapi() -> dict[str, Any]:
        nonlocal made, made_for
        current = tuple(clients.values())
        if current != made_for:
            app.openapi_schema = None
        document = plain()
        if document is not made:
            _complete(document, current)
            made, made_for = document, current
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way


def _complete(document: dict[str, Any], clients: tuple[Client, ...]) -> None:
    components = document.setdefault("components", {})
    there = components.setdefault("securitySchemes", {})
    there.pop(_OPTIONAL, None)
    credentials, renewing = schemes.credentials(clients), schemes.renewing(clients)
    for operation in _operations(document):
        if _ask_for_credential(operation, credentials):
            there.update(credentials)
        if operation.pop(schemes.REFRESHING, None):
            operation["security"] = [{}, *({name: []} for name in renewing)]
            there.update(renewing)
        _drop_validation_error(operation)
    _refer_to_problem(document, components.setdefault("schemas", {}))
    _drop_unused(document, components)


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        yield from (each for each in operations.values() if isinstance(each, dict))


def _ask_for_credential(operation: dict[str, Any], credentials: dict[str, Any]) -> bool:
    """Any of these, where the operation asks for one; with the roles it asks for."""
    asked = operation.get("security", [])
    ours = [each for each in asked if _BEARER in each or _OPTIONAL in each]
    if not ours:
        return False
    # A dict keeps the order, and each role once.
    roles = list(dict.fromkeys(role for each in ours for its in each.values() for role in its))
    is_optional = not any(_BEARER in each for each in ours)
    operation["security"] = [
        *([{}] if is_optional else []),
        *({name: roles} for name in credentials),
        *(each for each in asked if each not in ours),
    ]
    for status in _REFUSED:
        operation["responses"].setdefault(str(status), refusal(status))
    return True


def _drop_validation_error(operation: dict[str, Any]) -> None:
    """FastAPI's own 422 for what it cannot read; a strict route's refusal is 400 `malformed`."""
    responses = operation["responses"]
    is_strict = _is_ours(responses.get("400", {}).get("content", {}).get(_PROBLEMS, {}))
    if is_strict and "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]


def _refer_to_problem(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """One schema for all refusals; an application may have a `Problem` of its own."""
    name = "CounterfoilProblem" if "Problem" in schemas else "Problem"
    for operation in _operations(document):
        for answer in operation["responses"].values():
            content = answer.get("content", {}).get(_PROBLEMS, {})
            if _is_ours(content):
                content["schema"] = {"$ref": f"#/components/schemas/{name}"}
                schemas[name] = deepcopy(SCHEMA)


def _is_ours(content: dict[str, Any]) -> bool:
    schema = content.get("schema", {})
    return schema.get("title") == SCHEMA["title"] and "next_step" in schema.get("properties", {})


def _drop_unused(document: dict[str, Any], components: dict[str, Any]) -> None:
    schemas = components["schemas"]
    if "HTTPValidationError" not in str(document["paths"]):
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
    for name in ("schemas", "securitySchemes"):
        if not components[name]:
            del components[name]
    if not components:
        del document["components"]
