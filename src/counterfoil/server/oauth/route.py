"""A route that reads a call of OAuth, and refuses in its words."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from counterfoil.errors import ClientRefused, Malformed, TooLarge
from counterfoil.server.oauth.refusals import OAuthRefusal, answer
from counterfoil.server.urlencoded import read_form

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_REFUSED: Final = (ClientRefused, Malformed, OAuthRefusal, TooLarge)


class OAuthRoute(APIRoute):
    """Takes a form in the body and nothing in the address, where credentials would be logged.

    A parameter without a value counts as left out, one that is not known is ignored, and one that
    is there twice is refused (RFC 6749 §3.2). There is no CORS: no secret belongs in a page.
    """

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def reading(request: Request) -> Response:
            try:
                if request.scope["query_string"]:
                    raise Malformed("Send everything in the body, nothing in the address.")
                sent = await read_form(request)
                request.state.form = {name: value for name, value in sent.items() if value}
                return await handle(request)
            except _REFUSED as why:
                return answer(why)

        return reading
