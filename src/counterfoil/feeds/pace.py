"""How long a verifier waits: for news, for an answer, and after nothing came."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.status_feed import LONGEST_WAIT

if TYPE_CHECKING:
    from random import Random

_LEAST_PATIENCE: Final = 0.25
_FIRST_PAUSE: Final = 0.05  # after a failure; then twice as long each time
_LONGEST_PAUSE: Final = 2.0  # also at most a quarter of max_staleness
_MOST_DOUBLINGS: Final = 8
_SHARE: Final = 0.45  # of max_staleness for one request: two of them, and a bit, make a whole
_KEPT: Final = 0.9  # of a delay with each answer that has less of it


class Pace:
    """Of one verifier. It learns how much later than they could answers come, so that a slow
    network costs no honest token while max_staleness leaves any time. timeout: seconds."""

    def __init__(self, *, timeout: float, chance: Random) -> None:
        self.failures = 0
        self._timeout = timeout
        self._chance = chance
        self._delay = 0.0

    def answered(self, *, after: float, wait: timedelta) -> None:
        """An answer came so many seconds after it was asked for, which was to wait so long."""
        self.failures = 0
        self._delay = max(after - wait.total_seconds(), self._delay * _KEPT)

    def failed(self) -> None:
        self.failures += 1

    def wait(self, max_staleness: timedelta) -> timedelta:
        """For how long a request may wait for news. What is known is as old as two requests when
        the second of them is answered, and both of them take their time on the way."""
        left = max(timedelta(0), max_staleness * _SHARE - timedelta(seconds=self._delay))
        return min(max_staleness / 3, left, LONGEST_WAIT) * self._chance.uniform(0.9, 1)

    def patience(self, max_staleness: timedelta | None, *, longest: timedelta | None) -> float:
        """Seconds beyond its wait that an answer may take. On a quick network half of max_staleness
        is left then, for another try; a slow one has as long as it takes, up to `longest`, after
        which an answer is of use to no client's tokens."""
        if max_staleness is None or longest is None:
            return self._timeout
        quick = max(_LEAST_PATIENCE, max_staleness.total_seconds() / 3) * self._doubled()
        return min(self._timeout, longest.total_seconds(), max(quick, 2 * self._delay))

    def pause(self, max_staleness: timedelta | None) -> float:
        """Seconds until the next request, after one that failed."""
        longest = _LONGEST_PAUSE
        if max_staleness is not None:
            longest = min(longest, max_staleness.total_seconds() / 4)
        return min(longest, _FIRST_PAUSE * self._doubled()) * self._chance.uniform(0.5, 1)

    def _doubled(self) -> float:
        return float(2 ** min(self.failures, _MOST_DOUBLINGS))
