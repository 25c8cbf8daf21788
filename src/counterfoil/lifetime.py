"""Idle, absolute, access and grace: how long things last. The only file that compares times.

Moments are aware UTC `datetime`s, durations `timedelta`s. A moment that has been reached has
passed: a credential is no longer good in the very second that it names as its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from counterfoil.errors import ConfigurationError

NOTHING = timedelta(0)
GRACE_OF_ACCESS = 60  # a record remembers that many rotations, with a few to spare
JITTER = (
    0.10  # access lifetimes are shortened by up to this share: refreshes must not march in step
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """The four durations of a client's sessions.

    idle: a session unused for this long expires; absolute: its end, whatever is done;
    access: how long a signed token is good; grace: how long a spent handle still leads to its
    successor. Raises `ConfigurationError` when they contradict each other.
    """

    idle: timedelta = timedelta(days=7)
    absolute: timedelta = timedelta(days=30)
    access: timedelta = timedelta(minutes=5)
    grace: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        for name in ("idle", "absolute", "access", "grace"):
            require_duration(name, getattr(self, name))
        for name in ("idle", "absolute", "access"):
            if getattr(self, name) < timedelta(seconds=1):
                raise ConfigurationError(f"Set {name} to at least one second.")
        if not NOTHING <= self.grace <= timedelta(minutes=5):
            raise ConfigurationError("Set grace between 0 and 300 seconds.")
        if self.grace > self.access * GRACE_OF_ACCESS:
            raise ConfigurationError(f"Set grace to at most {GRACE_OF_ACCESS} times access.")
        if self.idle > self.absolute:
            raise ConfigurationError("Set idle no longer than absolute.")
        if self.access > self.idle:
            raise ConfigurationError("Set access no longer than idle: a token's use is not seen.")


def require_duration(name: str, value: object) -> None:
    """Raises `ConfigurationError` for a bare number: its unit would be anybody's guess."""
    if not isinstance(value, timedelta):
        raise ConfigurationError(f"Give {name} as a timedelta, such as timedelta(minutes=5).")


def has_passed(moment: datetime, *, now: datetime) -> bool:
    return now >= moment


def remaining(until: datetime | None, *, now: datetime) -> timedelta:
    """From now to then; nothing when it has passed or never was."""
    return NOTHING if until is None else max(NOTHING, until - now)


def is_within(since: datetime, span: timedelta, *, now: datetime) -> bool:
    """Whether less than `span` has gone by since then. A clock that went back counts as none."""
    return now - since < span


def earliest(*moments: datetime) -> datetime:
    return min(moments)


def latest(first: datetime | None, second: datetime) -> datetime:
    return second if first is None else max(first, second)


def access_end(lifetime: timedelta, *, now: datetime, share: float) -> datetime:
    """When a token issued now expires: a whole second, sooner by `share` (0 to 1) of the jitter."""
    shortened = lifetime.total_seconds() * (1 - JITTER * share)
    return whole_second(now) + timedelta(seconds=max(1, math.floor(shortened)))


def whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def seconds_up(span: timedelta) -> int:
    """Whole seconds, rounded up: what is promised over HTTP is never shorter than the truth."""
    return math.ceil(span.total_seconds())
