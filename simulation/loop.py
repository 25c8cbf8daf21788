"""Simulated time: what happens next, and coroutines that wait for it.

There are no threads and no real clock. What is due at the same moment happens in the order in
which it was planned, so one seed is one history.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Resume = Callable[[Any, Exception | None], None]


class Loop:
    """Everything that is still to happen. now: seconds of true time, which no machine can read."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._due: list[tuple[float, int, Callable[[], object]]] = []

    def at(self, when: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._due, (max(when, self.now), next(self._order), action))

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self.at(self.now + seconds, action)

    def run(self, until: float) -> None:
        """Lets everything happen that is due until then."""
        due = self._due
        while due and due[0][0] <= until:
            self.now, _, action = heapq.heappop(due)
            action()
        self.now = until


@dataclass(frozen=True, slots=True)
class Wait:
    """Awaited by a coroutine of the simulation: `begin` starts what is waited for, and is given
    what to call, once, with the value or the error."""

    begin: Callable[[Resume], object]

    def __await__(self) -> Generator[Wait, Any, Any]:
        return (yield self)
