"""A route that reads a request strictly: what it does not understand, it refuses.

A misspelt or repeated parameter that is silently left out does something else than was asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from counterfoil.errors import CounterfoilError, Malformed
from counterfoil.integrations.fastapi.body import LIMIT, read_body
from counterfoil.integrations.fastapi.refusals import answer, refused, sentence, unstored
from counterfoil.strict_json import parse_object

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
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
            # Starlette's cache of it, for whoever asks for it again.
            body = request._body = await read_body(request)  # noqa: SLF001 - it has no other way in
            if body and not takes_body:
                raise Malformed("This call takes no body.")
            if needs_body or body:
                _require_json(request)
                request._json = parse_object(body, limit=LIMIT)  # noqa: SLF001 - Starlette's cache of it
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
