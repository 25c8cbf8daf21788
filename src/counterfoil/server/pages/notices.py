"""What was just done, told once on the page that follows.

It travels in a cookie of a minute, as one of some fixed words and three numbers. A link cannot
write a cookie, so no other site can make these pages say that something was done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, get_args

from counterfoil.lifetime import NOTHING, seconds_up
from counterfoil.server.pages.words import counted, span

if TYPE_CHECKING:
    from counterfoil.carriers.headers import Headers
    from counterfoil.outcome import Changed, Revoked

NAME: Final = "__Host-counterfoil_done"
Done = Literal[
    "registered",
    "device",
    "others",
    "password",
    "sign-out",
    "not-me",
    # what an administrator did
    "suspended",
    "reinstated",
    "roles",
    "key-retired",
    "key-distrusted",
    "client-added",
    "client-changed",
    "secrets-revoked",
]

_VALUE: Final = re.compile(
    rf"({'|'.join(get_args(Done))})\.(\d{{1,4}})\.(\d{{1,7}})\.(\d{{1,7}})".encode(), re.ASCII
)
_ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Lax"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was done, how many sessions it ended, and how soon that holds."""

    done: Done
    count: int = 0
    effective_within: timedelta = NOTHING
    elsewhere_within: timedelta = NOTHING

    @property
    def text(self) -> str:
        """What the page says of it."""
        if self.done == "registered":
            return "Your account is registered, and you are signed in."
        if self.done == "password":
            others = f" {_were(self.count, 'other device')} signed out." if self.count else ""
            return f"Your password was changed.{others}{self._bound()}"
        if self.done in _CHANGED:
            return f"{_CHANGED[self.done]}{self._bound()}"
        if self.count == 0:
            return _NOTHING_TO_DO[self.done]
        if self.done == "sign-out":
            return f"You are signed out.{self._bound()}"
        noun = "device" if self.done == "device" else "other device"
        return f"{_were(self.count, noun)} signed out.{self._bound()}"

    def _bound(self) -> str:
        """How long the tokens of what was ended may go on elsewhere; nothing where none may."""
        if self.count == 0 or self.effective_within == self.elsewhere_within == NOTHING:
            return ""
        known, elsewhere = span(self.effective_within), span(self.elsewhere_within)
        if known == elsewhere:
            return f" Other services may still accept tokens from before for up to {known}."
        return (
            " Other services may still accept tokens from before: for up to"
            f" {known} if they check with Counterfoil, for up to {elsewhere} if they do not."
        )


_CHANGED: Final[dict[Done, str]] = {
    "not-me": "Every other device was signed out. Choose a new password now: whoever was signed in"
    " there may know the present one.",
    "suspended": "The account is suspended.",
    "reinstated": "The account is reinstated. Sessions that were ended stay ended.",
    "roles": "The roles were changed. Credentials with the former ones are refused until they are"
    " refreshed.",
    "key-retired": "The next key signs from now on. Tokens of the former stay good until they"
    " expire.",
    "key-distrusted": "The key is distrusted. This server refuses what it signed at once, other"
    " verifiers within 5 minutes, or an hour where they are cut off.",
    "client-added": "The client is registered. Every process of the server knows it within a"
    " second.",
    "client-changed": "The client is changed. Every process of the server knows it within a"
    " second.",
    "secrets-revoked": "The secrets are revoked. The feed takes them for one more second.",
}
_NOTHING_TO_DO: Final[dict[Done, str]] = {
    "device": "That device had been signed out already.",
    "others": "No other device was signed in.",
    "sign-out": "You had been signed out already.",
}


def of(done: Done, revoked: Revoked | Changed) -> Notice:
    return Notice(done, revoked.count, revoked.effective_within, revoked.elsewhere_within)


def set_cookie(notice: Notice) -> tuple[bytes, bytes]:
    spans = (notice.effective_within, notice.elsewhere_within)
    numbers = ".".join(str(number) for number in (notice.count, *map(seconds_up, spans)))
    return b"set-cookie", f"{NAME}={notice.done}.{numbers}; Max-Age=60; {_ATTRIBUTES}".encode()


def clear_cookie() -> tuple[bytes, bytes]:
    return b"set-cookie", f"{NAME}=; Max-Age=0; {_ATTRIBUTES}".encode()


def read_cookie(headers: Headers, name: str, form: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """The value of a cookie of that form; None unless it stands there once."""
    field = b"; ".join([value for header, value in headers if header == b"cookie"])
    prefix = f"{name}=".encode()
    pairs = (pair.removeprefix(b" ") for pair in field.split(b";"))
    found = [pair.removeprefix(prefix) for pair in pairs if pair.startswith(prefix)]
    return form.fullmatch(found[0]) if len(found) == 1 else None


def read(headers: Headers) -> Notice | None:
    """The notice that the request brings; None without one, and for one that we did not write."""
    parsed = read_cookie(headers, NAME, _VALUE)
    if parsed is None:
        return None
    done, *numbers = (group.decode() for group in parsed.groups())
    count, effective, elsewhere = map(int, numbers)
    return Notice(
        done,  # type: ignore[arg-type] # the pattern lets pass these words only
        count,
        timedelta(seconds=effective),
        timedelta(seconds=elsewhere),
    )


def _were(number: int, noun: str) -> str:
    return f"{counted(number, noun)} {'was' if number == 1 else 'were'}"
