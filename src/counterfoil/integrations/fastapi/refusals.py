"""Refusals: answered as problems, and as the OpenAPI document tells of them."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from counterfoil.integrations.fastapi.shapes import Moment
from counterfoil.integrations.problem import STATUS_OF_CODE, problem, status_of

if TYPE_CHECKING:
    from fastapi.exceptions import RequestValidationError

    from counterfoil.errors import CounterfoilError

_log = logging.getLogger("counterfoil.fastapi")
_ROOM: Final = {"path": "address", "query": "query", "body": "body"}
_HEADERS: Final = {
    401: ("WWW-Authenticate", "RFC 6750, section 3.", "string"),
    429: ("Retry-After", "Seconds to wait.", "integer"),
    503: ("Retry-After", "Seconds to wait.", "integer"),
}


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


SCHEMA: Final = Problem.model_json_schema(mode="serialization")


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a call may refuse with, as FastAPI takes it."""
    return {status: refusal(status) for status in statuses}


def refusal(status: int) -> dict[str, Any]:
    """The refusals of one status, as an OpenAPI document holds them. The schema stands there
    itself: only `document.complete` knows of a place to refer to."""
    codes = ", ".join(code for code, its in STATUS_OF_CODE.items() if its == status)
    found: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}: {codes}",
        "content": {"application/problem+json": {"schema": SCHEMA}},
    }
    if status in _HEADERS:
        name, description, kind = _HEADERS[status]
        found["headers"] = {
            name: {"description": description, "required": True, "schema": {"type": kind}}
        }
    return found


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


def refused(error: CounterfoilError) -> Response:
    """The error as a problem; a wrong set-up is told to the log alone."""
    if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("the set-up is wrong: %s", error.detail)
    return answer(error)


def sentence(error: RequestValidationError) -> str:
    """Where the first thing wrong is, never what it was."""
    first = error.errors()[0]
    place, *path = (str(part) for part in first["loc"])
    where = ".".join(path) or "it"
    if first["type"] == "extra_forbidden":
        return f"The {_ROOM.get(place, place)} has a member that is not known here."
    return f"The {_ROOM.get(place, place)} is not as expected at {where}: {first['type']}."


def unstored(response: Response) -> Response:
    """The answer, which depends on a credential, so that nobody keeps it for anybody else."""
    response.headers["cache-control"] = "no-store"
    response.headers["vary"] = "Cookie, Authorization"
    response.headers["x-content-type-options"] = "nosniff"
    return response
