"""Sessions: which there are, where one comes from, and ending it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from counterfoil.errors import Malformed, NotFound
from counterfoil.issuing import lags
from counterfoil.lifetime import has_passed
from counterfoil.server.acting import BY
from counterfoil.server.pages import notices, trail_words
from counterfoil.server.pages.answers import redirect
from counterfoil.server.pages.console import ended
from counterfoil.server.pages.console.entry import administered, asked, page
from counterfoil.server.pages.console.lineage import lineage
from counterfoil.server.pages.console.listing import MOST_READ, STRATEGIES, Wanted, listed

if TYPE_CHECKING:
    from counterfoil.server.pages.answers import Answer
    from counterfoil.server.pages.visit import Person, Visit
    from counterfoil.session import Session

PLACE: Final = "/admin/sessions"
BECAUSE: Final = "revoked_by_administrator"
_OPENED: Final = {
    "hour": "in the last hour",
    "day": "in the last day",
    "week": "in the last week",
    "over-day": "more than a day ago",
    "over-week": "more than a week ago",
    "over-month": "more than 30 days ago",
}


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """Those that are live, newest first, or what the filters ask for."""
    person = asked(visit, "person")
    wanted = _wanted(visit)
    nobody = False
    if person:
        subject = await subject_of(visit, person)
        nobody, wanted = subject is None, _wanted(visit, subject or "")
    clients = visit.parts.clients
    found = None
    if not nobody:
        found = await listed(visit.parts.auth.store, wanted, clients, now=visit.now)
    sessions = found.sessions if found is not None else []
    following = found.next if found is not None else None
    values = {
        "wanted": wanted,
        "person": person,
        "choices": {
            "client": [(each, each) for each in sorted(clients)],
            "strategy": [(each, each) for each in STRATEGIES],
            "opened": list(_OPENED.items()),
        },
        "found": found,
        "most_read": MOST_READ,
        "next": None if following is None else _next(visit, following),
        **await rows(visit, sessions),
    }
    return page(visit, "sessions.html", values)


@administered
async def show_one(visit: Visit, person: Person) -> Answer:
    """One session: what is kept of it, and its lineage."""
    found = await _session(visit)
    client = visit.parts.clients.get(found.client_id)
    traced = await lineage(visit.parts.auth.store, found)
    since = found.ended_at
    within = None if since is None else lags(found, client, now=since)[0]
    values = {
        **await rows(visit, [found]),
        "session": found,
        "client": client,
        "is_live": found.is_live(now=visit.now),
        "is_own": found.id == person.session_id,
        "holds_from": None if since is None or within is None else since + within,
        "holds": since is not None
        and within is not None
        and has_passed(since + within, now=visit.now),
        "traced": traced,
        **await told(visit, [line.event for line in traced.lines]),
    }
    return page(visit, "session.html", values)


@administered
async def end_one(visit: Visit, person: Person) -> Answer:
    """Ends one session."""
    await visit.fields()
    found = await _session(visit)
    revoked = await visit.parts.auth.revoke(found.id, because=BECAUSE)
    if found.id == person.session_id:
        visit.clear()
        visit.notify(notices.of("sign-out", revoked))
        return redirect(visit.at("/login"))
    return await ended.tell(visit, "session", found.id, revoked)


async def rows(visit: Visit, sessions: list[Session]) -> dict[str, Any]:
    """What a list of sessions needs besides: whose they are, and their clients' strategies."""
    names = await visit.parts.accounts.rows.identifiers(each.subject for each in sessions)
    clients = visit.parts.clients
    known = {each: clients.get(each) for each in {session.client_id for session in sessions}}
    return {
        "sessions": sessions,
        "names": names,
        "strategy_of": {
            name: client.strategy if client is not None else "no client any more"
            for name, client in known.items()
        },
        "live": {each.id for each in sessions if each.is_live(now=visit.now)},
    }


async def told(visit: Visit, events: list[Any]) -> dict[str, Any]:
    """What lines of the trail need besides: words, and who the people in them are."""
    people = {str(event.detail.get(BY, "")) for event in events}
    people |= {event.subject for event in events if event.subject is not None}
    names = await visit.parts.accounts.rows.identifiers(people)
    return {
        "said": trail_words.said,
        "details": trail_words.details,
        "suspicious": trail_words.SUSPICIOUS,
        "name_of": lambda subject: names.get(subject, subject),
    }


async def _session(visit: Visit) -> Session:
    with suppress(NotFound):
        return await visit.parts.auth.session(visit.request.path_params["session_id"])
    raise NotFound("There is no session of this id, or it was forgotten after its absolute end.")


async def subject_of(visit: Visit, person: str) -> str | None:
    """The subject that is called so: by identifier, else by itself."""
    with suppress(NotFound, Malformed):
        return (await visit.parts.accounts.by_identifier(person)).subject
    known = await visit.parts.accounts.rows.by_subject(person)
    return None if known is None else known.subject


def _wanted(visit: Visit, subject: str = "") -> Wanted:
    """What the address asks for. What is no choice of the form counts as not asked for."""
    strategy, opened = asked(visit, "strategy"), asked(visit, "opened")
    return Wanted(
        subject=subject,
        client_id=asked(visit, "client"),
        strategy=strategy if strategy in STRATEGIES else "",
        device=asked(visit, "device"),
        address=asked(visit, "address"),
        opened=opened if opened in _OPENED else "",
        ended=asked(visit, "state") == "all",
        before=asked(visit, "before"),
    )


def _next(visit: Visit, before: str) -> str:
    """The address of the page that follows."""
    names = ("person", "client", "strategy", "device", "address", "opened", "state")
    kept = {name: text for name in names if (text := asked(visit, name))}
    return f"{PLACE}?{urlencode({**kept, 'before': before})}"
