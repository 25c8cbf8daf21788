"""The two clocks, and the only place that reads them.

Wall time dates records and tokens. Ages are counted on a clock that nobody sets and that goes on
while the machine is suspended: `CLOCK_MONOTONIC` stands still in suspend on Linux, so a laptop
would wake with status that looks a second old and is an hour old.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the edge asks for the time; replace it to run under a simulated one."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""

    def uptime(self) -> float:
        """Seconds on a clock that never goes back and includes suspend."""


_UPTIME_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def uptime(self) -> float:
        return time.clock_gettime(_UPTIME_CLOCK)
