"""One's own recent activity: what the trail tells, and "this was not me"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.errors import NotFound
from counterfoil.server.acting import BY
from counterfoil.server.pages import notices, trail_words
from counterfoil.server.pages.answers import Answer, redirect

if TYPE_CHECKING:
    from counterfoil.events import Event
    from counterfoil.outcome import Revoked
    from counterfoil.server.pages.visit import Person, Visit

PLACE: Final = "/account/not-me"
SHOWN: Final = 10
_MOST_READ: Final = 500
_BITE: Final = 250
# A client refreshes every few minutes: that would hide everything else.
_PASSED_OVER: Final = frozenset({"session_refreshed", "refresh_repeated", "claims_changed"})
_BY_SOMEBODY: Final = frozenset({"session_opened", "session_stepped_up"})


class Activity(NamedTuple):
    """A line of the trail for whom it is about. address: of a sign-in, from where it was.
    may_be_another: it may have been somebody else, at a device that is not this one."""

    event: Event
    said: str
    device: str
    address: str
    is_here: bool
    is_administrators: bool
    may_be_another: bool


async def activity(visit: Visit, person: Person, devices: dict[str, str]) -> list[Activity]:
    """The newest lines, but for those of everyday; of a long trail as many as are read.
    devices: by the ids of the sessions that are known."""
    found: list[Activity] = []
    before = None
    for _ in range(_MOST_READ // _BITE):
        store = visit.parts.auth.store
        batch = await store.trail(subject=person.subject, before=before, limit=_BITE)
        for line in batch:
            if line.event.kind not in _PASSED_OVER:
                found.append(_told(line.event, person, devices))
                if len(found) == SHOWN:
                    return found
        if len(batch) < _BITE:
            break
        before = batch[-1].number
    return found


async def end_all_others(visit: Visit, person: Person, session_id: str) -> Revoked:
    """Ends every session but this one. Raises `NotFound` where the one that was named is somebody
    else's; one that was forgotten since is no obstacle."""
    found = await visit.parts.auth.store.look_up(session_id)
    if found is not None and found.session.subject != person.subject:
        raise NotFound
    return await visit.parts.auth.revoke_all(
        person.subject, keep=person.session_id, because="not_me"
    )


async def was_not_me(visit: Visit, person: Person) -> Answer:
    """Signs out every other device, and asks for a new password."""
    await visit.fields()
    revoked = await end_all_others(visit, person, visit.request.path_params["session_id"])
    visit.notify(notices.of("not-me", revoked))
    return redirect(visit.at(PLACE))


async def ask_for_a_password(visit: Visit, person: Person) -> Answer:
    """What comes next."""
    account = await visit.parts.accounts.account(person.subject)
    shown = {"identifier": account.identifier, "notice": visit.notified()}
    return Answer(template="not_me.html", values=shown)


def _told(event: Event, person: Person, devices: dict[str, str]) -> Activity:
    is_here = event.session_id == person.session_id
    return Activity(
        event=event,
        said=trail_words.said(event),
        device=str(event.detail.get("device") or devices.get(event.session_id or "", "")),
        address=str(event.detail.get("address", "")),
        is_here=is_here,
        is_administrators=BY in event.detail,
        may_be_another=event.kind in _BY_SOMEBODY and not is_here,
    )
