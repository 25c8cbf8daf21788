"""Times in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from counterfoil.lifetime import NOTHING, has_passed, remaining, seconds_up

_UNITS: Final = (("days", 86400), ("h", 3600), ("min", 60))
_FEW: Final = 2  # under two of a unit the next smaller one says more


class Lagging(Protocol):
    """`Revoked` or `Changed`: what tells how soon it holds."""

    @property
    def effective_within(self) -> timedelta: ...
    @property
    def elsewhere_within(self) -> timedelta: ...


def bounds(found: Lagging) -> str:
    """How soon a change holds: at Counterfoil's verifiers, and at those that know only JWTs."""
    return f"effective {within(found.effective_within)}, elsewhere {within(found.elsewhere_within)}"


def within(length: timedelta) -> str:
    """How soon: "at once" or "within 10 s"."""
    return "at once" if length == NOTHING else f"within {seconds_up(length)} s"


def span(length: timedelta) -> str:
    """A duration, cut to its largest unit: "45 s", "4 min", "3 h", "29 days"."""
    seconds = int(length.total_seconds())
    for unit, size in _UNITS:
        if seconds >= _FEW * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def relative(moment: datetime, *, now: datetime) -> str:
    """From now: "in 4 min" or "4 min ago"."""
    if has_passed(moment, now=now):
        return f"{span(now - moment)} ago"
    return f"in {span(remaining(moment, now=now))}"


def stamp(moment: datetime) -> str:
    """A moment to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def counted(number: int, noun: str) -> str:
    """As in "1 session", "2 sessions"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
