"""One line that makes an application a protected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exception_handlers import request_validation_exception_handler as plainly
from fastapi.exceptions import RequestValidationError

from counterfoil.engine import Counterfoil
from counterfoil.errors import ConfigurationError
from counterfoil.integrations.asgi import AuthMiddleware
from counterfoil.integrations.fastapi.document import complete

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from counterfoil.verifier import Verifier


def protect(
    app: FastAPI,
    auth: Counterfoil | Verifier,
    *,
    audience: str | None = None,
    client_id: str | None = None,
    origins: Iterable[str] = (),
) -> None:
    """Adds the middleware, and what the OpenAPI document says: the clients' credentials, and the
    refusals of each call that asks for a session. FastAPI's own answer to what it cannot read, 422,
    no longer repeats what was sent, which may be a password; a handler of yours stays as it is.

    It refuses no request by itself: ask with `CurrentSession` or `requires`. The arguments are
    those of `AuthMiddleware`, which raises `ConfigurationError` for what cannot work. Call it
    once, before the application starts; middleware that is added later lies outside of it.
    """
    there: list[Any] = [each.cls for each in app.user_middleware]
    if AuthMiddleware in there:
        raise ConfigurationError("Add AuthMiddleware once: protect does it.")
    asked: dict[str, Any] = {
        "auth": auth,
        "audience": audience,
        "client_id": client_id,
        "origins": tuple(origins),
    }
    AuthMiddleware(app, **asked)  # what cannot work is refused now, not at the start
    app.add_middleware(AuthMiddleware, **asked)
    complete(app, auth.clients if isinstance(auth, Counterfoil) else {})
    if app.exception_handlers.get(RequestValidationError) is plainly:
        app.add_exception_handler(RequestValidationError, _without_input)


async def _without_input(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    said = [{name: each[name] for name in each if name != "input"} for each in found]
    return await plainly(request, RequestValidationError(said))
