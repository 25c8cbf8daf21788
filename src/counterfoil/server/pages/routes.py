"""Which address shows what, and what all pages have in common."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from counterfoil.errors import CounterfoilError, Malformed, NotFound, SubjectSuspended
from counterfoil.integrations.problem import status_of
from counterfoil.server.operations.requests import tell
from counterfoil.server.pages import account, activity, refusals, register, sign_in, static_files
from counterfoil.server.pages.answers import redirect
from counterfoil.server.pages.visit import PLACE, Visit, root_of

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from counterfoil.server.api.context import Context
    from counterfoil.server.pages.answers import Answer

View = Callable[[Visit], Awaitable["Answer"]]
_WEIGHT: Final = re.compile(r"(?:^|;)\s*q=([01](?:\.\d{0,3})?)\s*(?:;|$)")
_log = logging.getLogger("counterfoil.server")


class Page:
    """The views of one address, by method, as an ASGI application. Whatever they raise becomes a
    page too, and the cookies that were to be set go out with it."""

    def __init__(self, **views: View) -> None:
        self._views = views

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        parts: Context = request.app.state.context
        cookies: list[tuple[bytes, bytes]] = []
        try:
            answer = await self._answer(request, parts, cookies)
        except CounterfoilError as error:
            answer = _refused(request, error)
        except Exception as error:  # noqa: BLE001 - people are owed a page, whatever it was
            # Its message may hold what was sent, so only its kind is told.
            _log.error("a page failed: %s", type(error).__name__)
            answer = refusals.page(CounterfoilError())
        tell(code=answer.code)
        response = answer.response(root_of(parts), lab=parts.lab is not None)
        response.raw_headers.extend(cookies)
        await response(scope, receive, send)

    async def _answer(
        self, request: Request, parts: Context, cookies: list[tuple[bytes, bytes]]
    ) -> Answer:
        view = self._views.get(request.method)
        if view is None:
            return no_such_method(self._views)
        parts.carriers.refuse_cross_site(request.method, request.headers.raw)
        client = parts.clients.get(parts.pages_client)
        if client is None or client.carrier != "cookie" or not client.manage:
            return refusals.not_set_up(parts.pages_client, is_known=client is not None)
        return await view(Visit(request, parts, client, cookies))


def no_such_method(methods: Iterable[str]) -> Answer:
    """The refusal of an address that takes only these."""
    taken = list(methods)
    allow = ", ".join(["HEAD", *taken] if "GET" in taken else taken)
    error = Malformed("This address takes no such request.")
    return refusals.page(error, status=HTTPStatus.METHOD_NOT_ALLOWED, allow=allow)


class NothingHere(Page):
    """Below a page there is nothing more, whatever the method: a slash too many, mostly."""

    async def _answer(self, *_: object) -> Answer:
        return refusals.page(NotFound("There is nothing at this address."))


def _refused(request: Request, error: CounterfoilError) -> Answer:
    if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("the set-up is wrong: %s", error.detail)
    if isinstance(error, SubjectSuspended):
        return refusals.page(error, to=refusals.SIGN_IN)
    if request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return refusals.page(error, to=(request.url.path + query, "Try again"))
    return refusals.page(error)


def are_wanted(accept: Sequence[str]) -> bool:
    """Whether an Accept header names pages, and nothing else more (RFC 9110 §12.5.1): browsers
    name them, programs that want JSON or anything do not."""
    wanted: dict[str, float] = {}
    for each in ",".join(accept).lower().split(","):
        kind, _, parameters = each.partition(";")
        weight = _WEIGHT.search(parameters)
        wanted[kind.strip()] = float(weight[1]) if weight else 1.0
    pages = wanted.get("text/html", 0.0)
    return pages > 0 and pages >= wanted.get("application/json", 0.0)


def front_door(parts: Context) -> Response:
    """On to the account, and from there to sign-in if need be."""
    response = redirect(root_of(parts) + PLACE).response("")
    response.headers["vary"] = "Accept"
    return response


_PAGES: Final = {
    "/login": Page(GET=sign_in.show, POST=sign_in.submit),
    "/logout": Page(POST=sign_in.sign_out),
    "/register": Page(GET=register.show, POST=register.submit),
    PLACE: Page(GET=account.show),
    "/account/password": Page(POST=account.change_password),
    activity.PLACE: Page(GET=account.ask_for_a_password),
    "/account/sessions/{session_id}/not-me": Page(POST=account.was_not_me),
    "/account/sessions/end-others": Page(POST=account.end_others),
    "/account/sessions/{session_id}/end": Page(POST=account.end_one),
    **{
        f"{path}/{{rest:path}}": NothingHere() for path in ("/login", "/logout", "/register", PLACE)
    },
}
ROUTES: Final[list[BaseRoute]] = [
    *(Route(path, page, name=path, include_in_schema=False) for path, page in _PAGES.items()),
    static_files.ROUTE,
]
