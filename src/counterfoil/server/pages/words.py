"""Times in words, for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from counterfoil.lifetime import remaining, seconds_up

_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60))
_SHORT: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_MANY_SECONDS: Final = 120


def ago(moment: datetime, *, now: datetime) -> str:
    """As in "3 minutes ago", cut to its largest unit. A moment to come is as good as now."""
    seconds = int(remaining(now, now=moment).total_seconds())
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{counted(seconds // size, unit)} ago"
    return "less than a minute ago"


def stamp(moment: datetime) -> str:
    """As in "23 Nov 2026, 12:00 UTC"."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def exact(moment: datetime) -> str:
    """As in "23 Nov 2026, 12:00:05 UTC"."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def second(moment: datetime) -> str:
    """As in "12:00:05 UTC", rounded up: what holds from then on holds."""
    whole = moment.astimezone(UTC) + timedelta(microseconds=999_999)
    return f"{whole:%H:%M:%S} UTC"


def span(length: timedelta) -> str:
    """How long to wait, rounded up to what one says: "1 second", "5 minutes"."""
    seconds = max(1, seconds_up(length))
    if seconds < _MANY_SECONDS:
        return counted(seconds, "second")
    return counted(-(-seconds // 60), "minute")


def short(length: timedelta) -> str:
    """As in "5m", in the largest unit that says it exactly."""
    seconds = length.total_seconds()
    for unit, size in _SHORT:
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:g}s"


def counted(number: int, noun: str) -> str:
    """As in "1 device", "2 devices"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
