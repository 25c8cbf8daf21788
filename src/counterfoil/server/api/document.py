"""The OpenAPI document of the server: what `integrations.fastapi` completes, and what it adds."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from counterfoil.integrations.fastapi import document
from counterfoil.integrations.fastapi.refusals import refusals
from counterfoil.integrations.fastapi.schemes import BEARER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

    from counterfoil.client import Client

__all__ = ["SIGNED_IN", "complete", "refusals"]

# Completed to any credential of the clients there are.
SIGNED_IN: Final[dict[str, Any]] = {"security": [{BEARER.scheme_name: []}]}
_CLIENT_SECRET: Final = {"client_secret_basic": {"type": "http", "scheme": "basic"}}


def complete(
    app: FastAPI, clients: Mapping[str, Client], also: dict[str, dict[str, Any]] | None = None
) -> None:
    """Makes the application's document tell of refusals and credentials; anew with new clients.

    also: the calls that FastAPI does not answer, by path, then by method.
    """
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        found = plain()
        for path, operations in (also or {}).items():
            found["paths"].setdefault(path, deepcopy(operations))
        found["components"].setdefault("securitySchemes", {}).update(_CLIENT_SECRET)
        return found

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way
    document.complete(app, clients)
