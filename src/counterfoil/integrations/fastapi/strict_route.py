"""A route that reads a request strictly: what it does not understand, it refuses.

A misspelt or repeated parameter that is silently left out does something else than was asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from counterfoil.errors import CounterfoilError, Malformed, TooLarge
from counterfoil.integrations.fastapi.refusals import answer, refused, sentence, unstored
from counterfoil.strict_json import parse_object

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
BODY_LIMIT: Final = 64 * 1024
BODY_WITHIN: Final = 10.0  # seconds
_JSON: Final = re.compile(r"application/json\s*(;\s*charset=\"?utf-8\"?\s*)?\Z", re.IGNORECASE)


class StrictRoute(APIRoute):
    """Refuses unknown and repeated query parameters, and bodies that are not one strict JSON
    object of at most 64 KiB. Answers every refusal itself, as a problem, so it needs neither the
    middleware nor an exception handler; nobody may store what it answers."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        known = set(_query_names(self.dependant))
        takes_body = self.body_field is not None
        needs_body = self.body_field is not None and self.body_field.field_info.is_required()

        async def answered(request: Request) -> Response:
            try:
                return unstored(await strictly(request))
            except CounterfoilError as error:
                return unstored(refused(error))
            except RequestValidationError as error:
                return unstored(answer(Malformed(sentence(error))))

        async def strictly(request: Request) -> Response:
            _require_known_query(request, known)
            body = await _read(request)
            if body and not takes_body:
                raise Malformed("This call takes no body.")
            if needs_body or body:
                _require_json(request)
                request._json = parse_object(body, limit=BODY_LIMIT)  # noqa: SLF001 - Starlette's cache of it
            return await handle(request)

        return answered


def _query_names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for nested in dependant.dependencies:
        yield from _query_names(nested)


def _require_known_query(request: Request, known: set[str]) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    if len(set(names)) < len(names):
        raise Malformed("A query parameter is there twice.")
    if not known.issuperset(names):
        allowed = ", ".join(sorted(known)) or "none"
        raise Malformed(f"A query parameter is not known here; there are: {allowed}.")


def _require_json(request: Request) -> None:
    types = request.headers.getlist("content-type")
    if len(types) != 1 or not _JSON.match(types[0]):
        raise Malformed("Send one JSON object with Content-Type: application/json.")


async def _read(request: Request) -> bytes:
    """The body, kept for whoever asks for it again. Raises `TooLarge`, reading no further, and
    `Malformed` for one that does not end in time."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise TooLarge(f"A body may have at most {BODY_LIMIT} bytes.")
    except TimeoutError:
        raise Malformed(f"The body did not arrive within {BODY_WITHIN:g} seconds.") from None
    except ClientDisconnect:
        raise Malformed("The body ended early.") from None  # nobody is left to hear it
    request._body = bytes(body)  # noqa: SLF001 - Starlette's cache of it
    return request._body  # noqa: SLF001 - Starlette's cache of it
