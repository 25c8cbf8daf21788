"""One's own account: the devices that are signed in, the password, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import (
    AuthError,
    NotFound,
    Overloaded,
    PasswordRefused,
    SignInRefused,
    Unavailable,
)
from counterfoil.server.api.context import ADMIN
from counterfoil.server.pages import activity, forms, notices, refusals
from counterfoil.server.pages.answers import Answer, redirect
from counterfoil.server.pages.visit import PLACE, is_signed_out
from counterfoil.server.pages.words import ago

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from counterfoil.outcome import Revoked
    from counterfoil.server.pages.visit import Person, Visit

    Act = Callable[[Visit, Person], Awaitable[Answer]]

_MOST_SHOWN: Final = 100
_UNSURE: Final = (
    "The password may have been changed already, or not. Other devices may still be signed in."
)
_FORM: Final = forms.Form(
    "account.html",
    fields={SignInRefused: ("current",), PasswordRefused: ("new",)},
    titles={SignInRefused: "The current password is not right."},
)


def signed_in(act: Act) -> Callable[[Visit], Awaitable[Answer]]:
    """A view for those who are signed in; all others are asked to sign in first."""

    async def view(visit: Visit) -> Answer:
        try:
            return await act(visit, await visit.person())
        except AuthError as error:
            if not is_signed_out(error):
                raise
            return redirect(visit.at("/login"))

    return view


@signed_in
async def show(visit: Visit, person: Person) -> Answer:
    """Who is signed in, and where."""
    shown = await _values(visit, person)
    return Answer(
        template=_FORM.template, values={**shown, "wrong": None, "notice": visit.notified()}
    )


@signed_in
async def end_one(visit: Visit, person: Person) -> Answer:
    """Signs one device out."""
    await visit.fields()
    session = await visit.parts.auth.session(visit.request.path_params["session_id"])
    if session.subject != person.subject:
        raise NotFound
    revoked = await visit.parts.auth.revoke(session.id)
    if session.id == person.session_id:
        visit.clear()
        visit.notify(notices.of("sign-out", revoked))
        return redirect(visit.at("/login"))
    visit.notify(notices.of("device", revoked))
    return redirect(visit.at(PLACE))


@signed_in
async def end_others(visit: Visit, person: Person) -> Answer:
    """Signs out every device but this one."""
    await visit.fields()
    revoked = await visit.parts.auth.revoke_all(person.subject, keep=person.session_id)
    visit.notify(notices.of("others", revoked))
    return redirect(visit.at(PLACE))


@signed_in
async def change_password(visit: Visit, person: Person) -> Answer:
    """Changes the password, signs out every other device, and gives this one a new handle."""
    sent = await visit.fields("current", "new")
    try:
        forms.require_filled(sent)
        revoked = await visit.parts.accounts.change_password(
            person.subject, **sent, session_id=person.session_id
        )
    except (AuthError, Overloaded) as error:
        shown = await _values(visit, person)
        return _FORM.refused(error, {**shown, "notice": None})
    except Unavailable as error:
        return refusals.page(error, note=_UNSURE)
    return await _changed(visit, person, revoked)


was_not_me = signed_in(activity.was_not_me)
ask_for_a_password = signed_in(activity.ask_for_a_password)


async def _changed(visit: Visit, person: Person, revoked: Revoked) -> Answer:
    try:
        visit.carry(await visit.parts.auth.step_up(person.presented))
    except Unavailable as error:
        note = "The password was changed. To be safe, sign out here and sign in again."
        return refusals.page(error, note=note)
    except AuthError:
        visit.notify(notices.of("password", revoked))
        raise
    visit.notify(notices.of("password", revoked))
    return redirect(visit.at(PLACE))


async def _values(visit: Visit, person: Person) -> dict[str, Any]:
    now = visit.now
    account = await visit.parts.accounts.account(person.subject)
    sessions = await visit.parts.auth.sessions(person.subject)
    others = [session for session in sessions if session.id != person.session_id]
    return {
        "identifier": account.identifier,
        "roles": person.roles,
        "is_administrator": ADMIN in person.roles,
        "current": [session for session in sessions if session.id == person.session_id],
        "others": others[:_MOST_SHOWN],
        "more": max(0, len(others) - _MOST_SHOWN),
        "activity": await activity.activity(
            visit, person, {session.id: session.device for session in sessions}
        ),
        "ago": lambda moment: ago(moment, now=now),
    }
