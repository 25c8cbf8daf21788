"""What processes took of the machine, as Linux counts it; None where no one counts."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC: Final = Path("/proc")
NANOSECOND: Final = 1e-9
_BUSY: Final = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal; not idle, not iowait
_AFTER_NAME: Final = 2  # the fields of stat that follow the name, which may hold anything


def cpu_of(pids: Iterable[int]) -> float | None:
    """Seconds of processor time that these processes have taken so far, all threads."""
    total = 0.0
    try:
        for pid in pids:
            for task in (PROC / str(pid) / "task").iterdir():
                total += int((task / "schedstat").read_text().split()[0]) * NANOSECOND
    except OSError:
        return None
    return total


def descendants(pid: int) -> list[int]:
    """Itself, and those that it and they have started and that live."""
    found, waiting = [], [pid]
    while waiting:
        found.append(parent := waiting.pop())
        try:
            for task in (PROC / str(parent) / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def process_of(argument: str) -> int | None:
    """The oldest process that has this among its arguments."""
    for place in sorted(PROC.glob("[0-9]*"), key=lambda place: int(place.name)):
        try:
            arguments = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argument.encode() in arguments and int(place.name) != os.getpid():
            return int(place.name)
    return None


def resident() -> int | None:
    """Bytes of memory that this process has now."""
    try:
        pages = int((PROC / "self" / "statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class Disturbance:
    """Which share of the machine others use, from its making until it is asked."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._before = self._taken()

    def share(self) -> float | None:
        """Of all processors. Ask before the processes of one's own have ended."""
        after, passed = self._taken(), monotonic() - self._began
        if self._before is None or after is None:
            return None
        others = (after[0] - self._before[0]) - (after[1] - self._before[1])
        return max(0.0, others / (passed * (os.cpu_count() or 1)))

    @staticmethod
    def _taken() -> tuple[float, float] | None:
        """Seconds of processor time taken by all, and by us."""
        ours = cpu_of(descendants(os.getpid()))
        try:
            counted = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
        except OSError:
            return None
        ticks = os.sysconf("SC_CLK_TCK")
        ended = os.times()  # children that were waited for are no descendants any more
        if ours is None:
            return None
        busy = sum(int(counted[each]) for each in _BUSY) / ticks
        return busy, ours + ended.children_user + ended.children_system
