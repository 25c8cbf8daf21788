"""The lab's pages: what there is to try, and each experiment as it happens.

An experiment's answer is one page that is written while the experiment goes on. So it needs no
script, nobody asks again and again how far it is, and whichever worker was asked has it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio
from markupsafe import Markup
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from counterfoil.errors import Malformed, NotFound
from counterfoil.server.lab import seen
from counterfoil.server.lab.catalogue import BY_SLUG, PARTS, QUESTIONS
from counterfoil.server.pages import lab_advice
from counterfoil.server.pages.answers import HEADERS, Answer, templates
from counterfoil.server.pages.chart import Scale
from counterfoil.server.pages.routes import NothingHere, Page, no_such_method
from counterfoil.server.urlencoded import read_form

if TYPE_CHECKING:
    from starlette.requests import Request

    from counterfoil.server.api.context import Context
    from counterfoil.server.lab.seen import Experiment, Seen

PLACE: Final = "/lab"
_FLUSH: Final = Markup("\0")
# Nothing on it is anybody's. Not kept, the way back to it would ask to send the form again.
_KEPT: Final = {"cache-control": "private, no-cache"}
_ORDER: Final = list(BY_SLUG.values())
View = Callable[["Request", "Context"], Awaitable[Answer]]


class LabPage(Page):
    """As every page, but nobody signs in to it, so it needs no client."""

    def __init__(self, **views: View) -> None:
        super().__init__()
        self._of_lab = views

    async def _answer(
        self, request: Request, parts: Context, cookies: list[tuple[bytes, bytes]]
    ) -> Answer:
        del cookies
        view = self._of_lab.get(request.method)
        if view is None:
            return no_such_method(self._of_lab)
        parts.carriers.refuse_cross_site(request.method, request.headers.raw)
        return await view(request, parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsItHappens(Answer):
    """A page that is sent piece by piece, as the run that it shows goes on."""

    run: Iterator[Seen]

    def response(self, root: str, *, lab: bool = False) -> Response:
        values = {**self.values, "root": root, "lab": lab, "run": self.run, "flush": _FLUSH}
        chunks = templates().get_template(self.template).generate(values)
        return StreamingResponse(
            _sent(chunks, self.run),
            self.status,
            {**HEADERS, **_KEPT, **self.headers},
            media_type="text/html",
        )


async def front(request: Request, parts: Context) -> Answer:
    """What there is to try, and which questions it answers."""
    del request, parts
    return Answer(
        template="lab.html",
        values={"parts": PARTS, "questions": QUESTIONS, "by_slug": BY_SLUG},
    )


async def show(request: Request, parts: Context) -> Answer:
    """An experiment that has not been run."""
    del parts
    found = _named(request)
    return Answer(template="lab_experiment.html", values={**_about(found), "run": None})


async def run(request: Request, parts: Context) -> Answer:
    """Runs it."""
    found = _named(request)
    if await read_form(request):
        raise Malformed("The form does not have the fields that belong here.")
    assert parts.lab is not None  # noqa: S101 - these pages are there where it is
    return AsItHappens(
        template="lab_experiment.html", values=_about(found), run=parts.lab.run(found)
    )


def _named(request: Request) -> Experiment:
    found = BY_SLUG.get(request.path_params["slug"])
    if found is None:
        raise NotFound("There is no such experiment.")
    return found


def _about(experiment: Experiment) -> dict[str, Any]:
    place = _ORDER.index(experiment)
    following = _ORDER[place + 1] if place + 1 < len(_ORDER) else None
    return {
        "experiment": experiment,
        "following": following,
        "kind": lambda each: type(each).__name__,
        "scale": Scale(),
        "seconds": seen.seconds,
    }


async def _sent(chunks: Iterator[str], run: Iterator[Seen]) -> AsyncIterator[bytes]:
    try:
        async for piece in iterate_in_threadpool(_in_pieces(chunks)):
            yield piece.encode()
    finally:
        # Whoever has gone away must not leave behind what the experiment took away.
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(_close, run)


def _in_pieces(chunks: Iterator[str]) -> Iterator[str]:
    held: list[str] = []
    for chunk in chunks:
        if chunk == _FLUSH:
            yield "".join(held)
            held.clear()
        else:
            held.append(chunk)
    yield "".join(held)


def _close(run: Iterator[Seen]) -> None:
    close = getattr(run, "close", None)
    if close is not None:
        close()


ROUTES: Final[list[BaseRoute]] = [
    Route(PLACE, LabPage(GET=front), name=PLACE, include_in_schema=False),
    Route(
        f"{PLACE}/advice", LabPage(GET=lab_advice.show), name="lab-advice", include_in_schema=False
    ),
    Route(PLACE + "/{slug}", LabPage(GET=show, POST=run), name="lab-run", include_in_schema=False),
    Route(PLACE + "/{rest:path}", NothingHere(), name="lab-none", include_in_schema=False),
]
