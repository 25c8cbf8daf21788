"""What a refusal says to a person: what is wrong, and what to do next."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.errors import (
    AuthError,
    ClaimsTooLarge,
    CrossSite,
    Forbidden,
    IdentifierTaken,
    KeyTooNew,
    Malformed,
    NotFound,
    Overloaded,
    PasswordRefused,
    RegistrationClosed,
    SignInRefused,
    SubjectSuspended,
    TooLarge,
    TooManyAttempts,
    Unavailable,
)
from counterfoil.integrations.problem import problem
from counterfoil.server.pages.answers import Answer
from counterfoil.server.pages.words import span
from counterfoil.server.throttle import LOCKED_HINT

if TYPE_CHECKING:
    from counterfoil.errors import CounterfoilError

ACCOUNT: Final = ("/account", "Go to your account")
SIGN_IN: Final = ("/login", "Go to sign-in")


class Refusal(NamedTuple):
    """title: what is wrong, in a few words. text: the rest of it, and what to do."""

    title: str
    text: str


def refusal(error: CounterfoilError) -> Refusal:
    """For every error that can leave a page; says no more than it may."""
    if isinstance(error, TooManyAttempts):
        return Refusal("Too many attempts failed.", _wait(error))
    if isinstance(error, Unavailable):
        busy = isinstance(error, Overloaded)
        title = "The server is busy." if busy else "The server cannot read its records right now."
        return Refusal(title, f"Try again in {_seconds(error)}.")
    if error.detail and (then := _AFTER_DETAIL.get(type(error))):
        return Refusal(error.detail, then)
    for kind, found in _REFUSALS.items():
        if isinstance(error, kind):
            return Refusal(found.title, found.text.format(detail=error.detail))
    if isinstance(error, AuthError):
        return Refusal("This was refused.", error.next_step)
    return Refusal("Something went wrong in the server.", "It was noted there. Try again later.")


def headers(error: CounterfoilError) -> dict[str, str]:
    """The headers that belong to its status."""
    wanted = {b"retry-after", b"www-authenticate"}
    found = (each for each in problem(error).headers if each[0] in wanted)
    return {name.decode(): value.decode() for name, value in found}


def page(
    error: CounterfoilError,
    *,
    to: tuple[str, str] = ACCOUNT,
    note: str = "",
    status: int | None = None,
    allow: str = "",
) -> Answer:
    """The refusal as a page of its own. to: where to go from there, and what that is called.
    note: what else there is to know."""
    title, text = refusal(error)
    return Answer(
        template="refusal.html",
        status=status or problem(error).status,
        headers={**headers(error), **({"allow": allow} if allow else {})},
        values={
            "title": title,
            "text": f"{note} {text}".strip(),
            "to": to,
            "may_sign_out": isinstance(error, SubjectSuspended),
        },
        code=error.code,
    )


def not_set_up(client_id: str, *, is_known: bool) -> Answer:
    """What the operator reads before there is a client that these pages can sign in to. 503: it
    is no fault of who asks, and it passes with the command that the page shows."""
    return Answer(
        template="not_set_up.html",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"retry-after": "60"},
        values={"client_id": client_id, "is_known": is_known},
    )


def _wait(error: TooManyAttempts) -> str:
    # Waiting does not unlock a password, so the sentence about waiting would be no help.
    locked = error.retry_after >= LOCKED_HINT
    return error.detail if locked else f"Wait {_seconds(error)}, then try again."


def _seconds(error: TooManyAttempts | Unavailable) -> str:
    return span(timedelta(seconds=problem(error).body["retry_after"]))


# Where an error says in its own words what is wrong: what to do then.
_AFTER_DETAIL: Final[dict[type[CounterfoilError], str]] = {
    SignInRefused: "Try again.",
    NotFound: "Check how it is written.",
    IdentifierTaken: "Choose another one.",
    Forbidden: "Ask an administrator for it, or sign in with an account that has it.",
    KeyTooNew: "Do it again then. A key that somebody else may have can be distrusted at once.",
}
_REFUSALS: Final[dict[type[CounterfoilError], Refusal]] = {
    ClaimsTooLarge: Refusal(
        "This account has more roles than can be carried.",
        "Ask an administrator to take some away; then sign in again.",
    ),
    CrossSite: Refusal(
        "This was sent from another site.", "Nothing was changed. Do it on the page itself."
    ),
    RegistrationClosed: Refusal("Registration is closed.", "Ask an administrator for an account."),
    SubjectSuspended: Refusal(
        "This account is suspended.", "Ask an administrator to reinstate it."
    ),
    NotFound: Refusal(
        "This is none of your devices.", "Nothing was changed. Choose one from the list."
    ),
    IdentifierTaken: Refusal(
        "This identifier is taken.", "Choose another one, or sign in if it is yours."
    ),
    PasswordRefused: Refusal("Choose another password.", "{detail}"),
    SignInRefused: Refusal(
        "The identifier or the password is not right.", "Check what you typed, then try again."
    ),
    TooLarge: Refusal("More was sent than can be read.", "{detail} Nothing was changed."),
    Malformed: Refusal("This could not be read.", "{detail}"),
}
