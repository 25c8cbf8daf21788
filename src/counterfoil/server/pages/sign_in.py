"""Signing in and out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from counterfoil.errors import AuthError, Malformed, SignInRefused, TooLarge, Unavailable
from counterfoil.outcome import Revoked
from counterfoil.server.api.context import device, end_former
from counterfoil.server.pages import forms, notices, refusals
from counterfoil.server.pages.answers import Answer, redirect

if TYPE_CHECKING:
    from counterfoil.errors import CounterfoilError
    from counterfoil.server.accounts import SignedIn
    from counterfoil.server.pages.visit import Visit

UNUSABLE: Final = "This identifier cannot be used."
_FORM: Final = forms.Form(
    "sign_in.html",
    # Not which of the two is wrong: that would tell who has an account.
    fields={SignInRefused: ("identifier", "password"), Malformed: ("identifier",)},
    titles={Malformed: UNUSABLE},
)


async def show(visit: Visit) -> Answer:
    """The form; whoever is signed in already is sent on."""
    with suppress(AuthError):
        await visit.person()
        return redirect(visit.destination)
    shown = {**values(visit), "wrong": None, "notice": visit.notified()}
    return Answer(template=_FORM.template, values=shown)


async def submit(visit: Visit) -> Answer:
    """Checks the password, opens a session and sends on."""
    sent = await visit.fields("identifier", "password")
    identifier = sent["identifier"].strip(" ")
    try:
        forms.require_filled(sent)
        found = await visit.parts.accounts.sign_in(
            identifier, sent["password"], address=visit.parts.address(visit.request)
        )
        await open_session(visit, found)
    except (AuthError, Unavailable) as error:
        return refused(visit, error, identifier)
    return redirect(visit.destination)


async def open_session(visit: Visit, found: SignedIn) -> None:
    """Signs this browser in, instead of whoever was before."""
    opened = await visit.parts.auth.open(
        found.subject,
        client_id=visit.client.client_id,
        device=device(visit.request),
        address=visit.parts.address(visit.request),
        expected=found.expected,
    )
    await end_former(visit.request, visit.client, visit.parts)
    visit.carry(opened)


async def sign_out(visit: Visit) -> Answer:
    """Ends the session of the cookie, also one that is expired or suspended. The cookie is not
    taken away while it is not known that the session has ended, or which one it is."""
    await visit.fields()
    revoked = Revoked(count=0)
    try:
        given = visit.ending()
        if given is not None:
            revoked = await visit.parts.auth.revoke_presented(given)
    except (Malformed, TooLarge, Unavailable) as error:
        return refusals.page(error, note="You are not signed out yet.")
    except AuthError:
        pass  # a cookie of no session that there is
    visit.clear()
    visit.notify(notices.of("sign-out", revoked))
    return redirect(visit.at("/login"))


def refused(visit: Visit, error: CounterfoilError, identifier: str, note: str = "") -> Answer:
    """The form once more; the identifier is kept in it, the password is not."""
    return _FORM.refused(error, {**values(visit, identifier), "notice": None}, note)


def values(visit: Visit, identifier: str = "") -> dict[str, Any]:
    """What sign-in and registration have in common. query: has the next page lead on as well."""
    place = visit.named
    return {
        "identifier": identifier,
        "query": "" if place is None else f"?next={quote(place, safe='/')}",
        "registration_is_open": visit.parts.registration_is_open,
    }
