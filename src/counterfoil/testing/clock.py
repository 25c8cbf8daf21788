"""A clock that moves only when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FrozenClock:
    """A `counterfoil.clock.Clock` for tests; wall time and uptime stand still until they are moved.

    Raises `ValueError` for wall time without a zone.
    """

    def __init__(self, now: datetime = START, uptime: float = 1000.0) -> None:
        self.turn_to(now)
        self._uptime = uptime

    def now(self) -> datetime:
        return self._now

    def uptime(self) -> float:
        return self._uptime

    def advance(self, span: timedelta) -> None:
        """Lets time go by on both clocks. Raises `ValueError` for a negative span."""
        if span < timedelta(0):
            raise ValueError("Time does not go back; turn_to() changes the wall clock alone.")
        self._now += span
        self._uptime += span.total_seconds()

    def turn_to(self, now: datetime) -> None:
        """Somebody sets the machine's clock, perhaps back; uptime does not notice."""
        if now.tzinfo is None:
            raise ValueError("Give an aware moment.")
        self._now = now.astimezone(UTC)
