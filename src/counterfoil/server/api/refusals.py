"""Every refusal as a problem, and every answer unfit to be stored."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response

from counterfoil.errors import CounterfoilError, Malformed, NotFound
from counterfoil.integrations.fastapi import refusals as fastapi_refusals
from counterfoil.integrations.fastapi.refusals import answer, sentence
from counterfoil.server.api.methods import allowed
from counterfoil.server.operations.requests import route_taken

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("counterfoil.server")
_ROOTS: Final = ("/v1/", "/oauth/")


def register(app: FastAPI) -> None:
    """Makes every refusal of this application a problem."""

    @app.exception_handler(CounterfoilError)
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, CounterfoilError)  # noqa: S101 - what it is registered for
        return fastapi_refusals.refused(error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
        return answer(Malformed(sentence(error)))

    @app.exception_handler(HTTPException)
    async def unanswered(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
        if error.status_code == HTTPStatus.NOT_FOUND:
            return answer(NotFound("There is nothing at this address."))
        if error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return answer(Malformed())
        response = answer(
            Malformed("This method is not for this address."), HTTPStatus.METHOD_NOT_ALLOWED
        )
        response.headers["allow"] = allowed(app.router.routes, request.scope)
        return response

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # The message of an unforeseen error may hold what was sent, so only its kind is told;
        # and of the address only the route, for ids of people stand in addresses.
        _log.error("%s %s failed: %s", request.method, route_taken(), type(error).__name__)
        return answer(CounterfoilError())


class Unstored:
    """Answers here depend on a credential: nobody may keep them for anybody else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_ROOTS):
            await self._app(scope, receive, send)
            return

        async def send_unstored(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers["cache-control"] = "no-store"
                headers["vary"] = "Cookie, Authorization"
                headers["x-content-type-options"] = "nosniff"
                message["headers"] = headers.raw
            await send(message)

        await self._app(scope, receive, send_unstored)
