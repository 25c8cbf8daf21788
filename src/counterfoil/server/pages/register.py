"""Registering, which signs in at once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from counterfoil.errors import (
    AuthError,
    IdentifierTaken,
    Malformed,
    Overloaded,
    PasswordRefused,
    RegistrationClosed,
    Unavailable,
)
from counterfoil.server.accounts import SignedIn
from counterfoil.server.pages import forms, refusals, sign_in
from counterfoil.server.pages.answers import Answer, redirect
from counterfoil.server.pages.notices import Notice

if TYPE_CHECKING:
    from counterfoil.server.pages.visit import Visit

_FORM: Final = forms.Form(
    "register.html",
    fields={
        IdentifierTaken: ("identifier",),
        Malformed: ("identifier",),
        PasswordRefused: ("password",),
    },
    titles={Malformed: sign_in.UNUSABLE},
)


async def show(visit: Visit) -> Answer:
    """The form, where registration is open; whoever is signed in already is sent on."""
    with suppress(AuthError):
        await visit.person()
        return redirect(visit.destination)
    if not visit.parts.registration_is_open:
        return _closed()
    return Answer(template=_FORM.template, values={**sign_in.values(visit), "wrong": None})


async def submit(visit: Visit) -> Answer:
    """Adds the account, opens a session and sends on."""
    if not visit.parts.registration_is_open:
        return _closed()
    sent = await visit.fields("identifier", "password")
    identifier = sent["identifier"].strip(" ")
    try:
        forms.require_filled(sent)
        account = await visit.parts.accounts.register(identifier, sent["password"])
    except (AuthError, Overloaded) as error:
        return _FORM.refused(error, sign_in.values(visit, identifier))
    except Unavailable as error:
        note = "Your account may be registered already, or not."
        return _FORM.refused(error, sign_in.values(visit, identifier), note)
    try:
        expected = await visit.parts.auth.subject(account.subject)
        await sign_in.open_session(visit, SignedIn(account.subject, expected))
    except (AuthError, Unavailable) as error:
        note = "Your account is registered, but you are not signed in yet."
        return sign_in.refused(visit, error, identifier, note)
    visit.notify(Notice("registered"))
    return redirect(visit.destination)


def _closed() -> Answer:
    return refusals.page(RegistrationClosed(), to=refusals.SIGN_IN)
