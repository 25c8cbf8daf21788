"""Grave actions: what one will do is said before, and it is done for the password alone.

Whoever has come by an administrator's cookie, or by their unlocked screen, can look and can end
sessions. For everything that gives or takes away more, they need to know the password. It is asked
for each time, and each time the session is given a new handle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import (
    AuthError,
    IdentifierTaken,
    KeyTooNew,
    Malformed,
    Overloaded,
    SignInRefused,
    Unavailable,
)
from counterfoil.server.pages import forms, refusals
from counterfoil.server.pages.console.entry import page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from counterfoil.server.pages.answers import Answer
    from counterfoil.server.pages.visit import Person, Visit

    Act = Callable[[Mapping[str, str]], Awaitable[Answer]]

TEMPLATE: Final = "grave.html"
_NOT_RIGHT: Final = "The password is not right. Nothing was changed."
_UNSURE: Final = "It may have been done, or not: look before you do it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """choices: values with their words, for a list to choose from; empty for a text."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grave:
    """says: what it will do, each in a sentence. back: where to go instead, and what that is
    called."""

    title: str
    says: tuple[str, ...]
    button: str
    back: tuple[str, str]
    fields: tuple[Field, ...] = ()


async def run(visit: Visit, person: Person, grave: Grave, act: Act) -> Answer:
    """The form; and once the password came with it, what `act` makes of the other fields."""
    if visit.request.method == "GET":
        return page(visit, TEMPLATE, _values(visit, grave))
    sent = await visit.fields(*(each.name for each in grave.fields), "password")
    password = sent.pop("password")
    required = {each.name: sent[each.name] for each in grave.fields if each.required}
    try:
        forms.require_filled({**required, "password": password})
        await visit.parts.accounts.confirm_password(person.subject, person.session_id, password)
    except (AuthError, Overloaded) as error:
        return _refused(visit, grave, sent, error)
    visit.carry(await visit.parts.auth.step_up(person.presented))
    try:
        return await act(sent)
    except (Malformed, IdentifierTaken, KeyTooNew) as error:
        return _refused(visit, grave, sent, error)
    except Unavailable as error:
        return refusals.page(error, to=grave.back, note=_UNSURE)


def _refused(
    visit: Visit, grave: Grave, sent: Mapping[str, str], error: AuthError | Overloaded
) -> Answer:
    """The form once more; what was typed is kept in it, the password is not."""
    kept = tuple(replace(each, value=sent[each.name]) for each in grave.fields)
    first = tuple(each.name for each in kept[:1])
    form = forms.Form(
        f"console/{TEMPLATE}",
        fields={SignInRefused: ("password",), Malformed: first, IdentifierTaken: first},
        titles={SignInRefused: _NOT_RIGHT, Malformed: "This cannot be done so."},
    )
    shown = page(visit, TEMPLATE, _values(visit, replace(grave, fields=kept)))
    return form.refused(error, shown.values)


def _values(visit: Visit, grave: Grave) -> dict[str, Any]:
    return {"grave": grave, "path": visit.request.url.path}
