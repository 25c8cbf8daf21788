"""Which address of the console shows what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, Route

from counterfoil.server.pages.console import (
    clients,
    ended,
    events,
    keys,
    overview,
    people,
    sessions,
    verifiers,
)
from counterfoil.server.pages.routes import NothingHere, Page, View

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def _both(view: View) -> Page:
    """A form, and what is sent with it."""
    return Page(GET=view, POST=view)


_PAGES: Final[dict[str, ASGIApp]] = {
    "/admin": Page(GET=overview.show),
    sessions.PLACE: Page(GET=sessions.show),
    f"{sessions.PLACE}/{{session_id}}": Page(GET=sessions.show_one),
    f"{sessions.PLACE}/{{session_id}}/end": Page(POST=sessions.end_one),
    ended.PLACE: Page(GET=ended.show),
    people.PLACE: Page(GET=people.show),
    f"{people.PLACE}/{{subject}}": Page(GET=people.show_one),
    f"{people.PLACE}/{{subject}}/end-sessions": Page(POST=people.end_sessions),
    f"{people.PLACE}/{{subject}}/suspend": _both(people.suspend),
    f"{people.PLACE}/{{subject}}/reinstate": _both(people.reinstate),
    f"{people.PLACE}/{{subject}}/roles": _both(people.set_roles),
    verifiers.PLACE: Page(GET=verifiers.show),
    keys.PLACE: Page(GET=keys.show),
    f"{keys.PLACE}/{{kid}}/retire": _both(keys.retire),
    f"{keys.PLACE}/{{kid}}/distrust": _both(keys.distrust),
    clients.PLACE: Page(GET=clients.show),
    clients.NEW: _both(clients.register),
    f"{clients.PLACE}/{{client_id}}": Page(GET=clients.show_one),
    f"{clients.PLACE}/{{client_id}}/settings": _both(clients.change),
    f"{clients.PLACE}/{{client_id}}/secret": _both(clients.make_secret),
    f"{clients.PLACE}/{{client_id}}/revoke-secrets": _both(clients.revoke_secrets),
    f"{clients.PLACE}/{{client_id}}/end-sessions": _both(clients.end_sessions),
    events.PLACE: Page(GET=events.show),
    events.EXPORT: Page(GET=events.export),
    "/admin/{rest:path}": NothingHere(),
}
ROUTES: Final[list[BaseRoute]] = [
    Route(path, page, name=path, include_in_schema=False) for path, page in _PAGES.items()
]
