"""Every refusal as a problem, and every answer unfit to be stored."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from counterfoil.errors import CounterfoilError, Malformed, NotFound
from counterfoil.integrations.problem import problem
from counterfoil.server.api.methods import allowed

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("counterfoil.server")
_ROOM: Final = {"path": "address", "query": "query", "body": "body"}


def answer(error: CounterfoilError, status: HTTPStatus | None = None) -> Response:
    """The error as a problem; status: where HTTP has a word of its own for it."""
    found = problem(error)
    if status is not None:
        found = found._replace(
            status=status, body={**found.body, "status": status.value, "title": status.phrase}
        )
    response = JSONResponse(found.body, status_code=found.status)
    response.raw_headers = [
        (b"content-length", str(len(response.body)).encode()),
        *found.headers,
    ]
    return response


def register(app: FastAPI) -> None:
    """Makes every refusal of this application a problem."""

    @app.exception_handler(CounterfoilError)
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, CounterfoilError)  # noqa: S101 - what it is registered for
        if problem(error).status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("the set-up is wrong: %s", error.detail)
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
        return answer(Malformed(_sentence(error)))

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
        # The message of an unforeseen error may hold what was sent, so only its kind is told.
        _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
        return answer(CounterfoilError())


class Unstored:
    """Answers under /v1 depend on a credential: nobody may keep them for anybody else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
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


def _sentence(error: RequestValidationError) -> str:
    """Where the first thing wrong is, never what it was."""
    first = error.errors()[0]
    place, *path = (str(part) for part in first["loc"])
    where = ".".join(path) or "it"
    if first["type"] == "extra_forbidden":
        return f"The {_ROOM.get(place, place)} has a member that is not known here."
    return f"The {_ROOM.get(place, place)} is not as expected at {where}: {first['type']}."
