"""Who gets into the console, and what all of its pages have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from counterfoil.errors import AuthError, Forbidden, Malformed, NotFound
from counterfoil.server.acting import act_for
from counterfoil.server.api.context import ADMIN
from counterfoil.server.pages import refusals
from counterfoil.server.pages.answers import POLICY, Answer, redirect
from counterfoil.server.pages.visit import is_signed_out
from counterfoil.server.pages.words import ago

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from counterfoil.server.pages.visit import Person, Visit

    Act = Callable[[Visit, Person], Awaitable[Answer]]

LIVE: Final = "counterfoil-live"  # in requests that a page makes by itself
OVERVIEW: Final = ("/admin", "Go to the overview")
# live.js asks for the page once more; nothing else of the site asks for anything.
_POLICY: Final = {"content-security-policy": f"{POLICY}; connect-src 'self'"}
_PARTS: Final = (
    ("/admin", "Overview"),
    ("/admin/sessions", "Sessions"),
    ("/admin/people", "People"),
    ("/admin/verifiers", "Verifiers"),
    ("/admin/keys", "Keys"),
    ("/admin/clients", "Clients"),
    ("/admin/events", "Events"),
)
# Pages that are a part's, and whose address does not say so.
_BELOW: Final = {"/admin/ended": "/admin/sessions", "/admin/new-client": "/admin/clients"}


def administered(act: Act) -> Callable[[Visit], Awaitable[Answer]]:
    """A view for administrators, whom the trail names. Who is not signed in is asked to be, and led
    back; all others are told what they lack. A page that renews itself is no use of the session:
    left open, it does not keep that from expiring."""

    async def view(visit: Visit) -> Answer:
        try:
            looks_on = visit.request.method == "GET" and LIVE in visit.request.headers
            person = await (visit.onlooker() if looks_on else visit.person())
        except AuthError as error:
            if not is_signed_out(error):
                raise
            return redirect(f"{visit.at('/login')}?next={quote(_place(visit), safe='/')}")
        if ADMIN not in person.roles:
            lacking = Forbidden(f"This page needs the role {ADMIN}, which your account has not.")
            return refusals.page(lacking)
        act_for(person.subject)
        try:
            answer = await act(visit, person)
        except (NotFound, Malformed) as error:
            answer = refusals.page(error, to=OVERVIEW)
        return replace(answer, headers={**_POLICY, **answer.headers})

    return view


def page(visit: Visit, template: str, values: Mapping[str, Any], **more: Any) -> Answer:
    """A page of the console, with what all of them show."""
    now = visit.now
    shown = {
        "parts": _PARTS,
        "here": _here(visit.request.url.path),
        "now": now,
        "ago": lambda moment: ago(moment, now=now),
        "notice": visit.notified(),
        "wrong": None,
        **values,
    }
    return Answer(template=f"console/{template}", values=shown, **more)


def asked(visit: Visit, name: str) -> str:
    """What the address asks for under this name; empty for nothing, and where it is there twice."""
    found = visit.request.query_params.getlist(name)
    return found[0].strip() if len(found) == 1 else ""


def _here(path: str) -> str:
    """Which part of the console the path belongs to."""
    path = _BELOW.get(path, path)
    fits = [each for each, _ in _PARTS if path == each or path.startswith(f"{each}/")]
    return max(fits, key=len, default=_PARTS[0][0])


def _place(visit: Visit) -> str:
    """Where a sign-in is to lead: to what was asked for, or where that was a form, to the overview,
    for nothing is sent again by itself."""
    url = visit.request.url
    if visit.request.method != "GET":
        return visit.at(OVERVIEW[0])
    return visit.at(url.path) + (f"?{url.query}" if url.query else "")
