"""A client's settings as fields of a form, and read from one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.errors import ConfigurationError, Malformed
from counterfoil.server.pages.console.grave import Field
from counterfoil.server.pages.words import short
from counterfoil.server.settings import read_span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.lifetime import Lifetime

ID_HINT: Final = "1 to 32 of a-z, 0-9, _ and -. It is a part of the cookie's name."
STRATEGIES: Final = (
    ("session", "session: looked up at each check"),
    ("hybrid", "hybrid: a token with a bound"),
    ("jwt", "jwt: a token until it expires"),
)
CARRIERS: Final = (("cookie", "cookie: for browsers"), ("bearer", "bearer: for programs"))
STALENESS: Final = "10s"  # what a client has unless it is given another
_SPANS: Final = {
    "access": "A token is good for",
    "idle": "A session expires unused after",
    "absolute": "It ends at the latest after",
    "grace": "A spent handle may be retried for",
}
_HINT: Final = "As 10s, 5m, 12h or 30d. Leave all four empty to follow the server's."


def settings(own: Lifetime | None, staleness: str, *, manage: bool = False) -> tuple[Field, ...]:
    """The fields of what can be changed. own: None where it follows the server's lifetimes."""
    spans = tuple(
        Field(
            name=name,
            label=label,
            value="" if own is None else short(getattr(own, name)),
            hint=_HINT if name == "access" else "",
        )
        for name, label in _SPANS.items()
    )
    return (
        *spans,
        Field(
            name="max_staleness",
            label="Bound (max_staleness)",
            value=staleness,
            hint="For hybrid: how old a verifier's knowledge may be, 1s to 60s.",
            required=True,
        ),
        Field(
            name="manage",
            label="May manage",
            value="yes" if manage else "no",
            choices=(("no", "no"), ("yes", "yes")),
        ),
    )


def lifetime(sent: Mapping[str, str], default: Lifetime) -> tuple[Lifetime, bool]:
    """The lifetimes that were sent, and whether they are its own. Raises `Malformed`."""
    given = {
        name: span(sent[name], label.lower())
        for name, label in _SPANS.items()
        if sent[name].strip()
    }
    try:
        return replace(default, **given), bool(given)
    except ConfigurationError as why:
        raise Malformed(why.detail) from None


def span(text: str, what: str) -> timedelta:
    """A duration as people write it. Raises `Malformed`."""
    try:
        found = read_span(text)
    except (ValueError, OverflowError):
        raise Malformed(f"Write {what!r} as 10s, 5m, 12h or 30d.") from None
    return found if isinstance(found, timedelta) else timedelta(0)
