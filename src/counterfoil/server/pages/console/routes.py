"""Which address of the console shows what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, Route

from counterfoil.server.pages.console import ended, overview, sessions
from counterfoil.server.pages.routes import NothingHere, Page

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_PAGES: Final[dict[str, ASGIApp]] = {
    "/admin": Page(GET=overview.show),
    sessions.PLACE: Page(GET=sessions.show),
    f"{sessions.PLACE}/{{session_id}}": Page(GET=sessions.show_one),
    f"{sessions.PLACE}/{{session_id}}/end": Page(POST=sessions.end_one),
    ended.PLACE: Page(GET=ended.show),
    "/admin/{rest:path}": NothingHere(),
}
ROUTES: Final[list[BaseRoute]] = [
    Route(path, page, name=path, include_in_schema=False) for path, page in _PAGES.items()
]
