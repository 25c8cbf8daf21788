"""Charts as numbers: what a template draws as SVG, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

WIDE: Final = 240  # as many steps as there are at most
HIGH: Final = 40
_MINUTE: Final = 12  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a chart. total: what it comes to, in words; points: an SVG polyline's, newest at
    the right; minutes: the moment that each ended and what it came to, newest first."""

    name: str
    total: str
    most: str
    points: str
    minutes: Sequence[tuple[datetime, str]]
    is_flat: bool


def series(name: str, values: Sequence[float], moments: Sequence[datetime]) -> Series:
    """Of counts, which add up."""

    def between(start: int, end: int) -> str:
        return f"{round(sum(values[start:end])):,}"

    return _drawn(name, values, moments, between, f"{round(max(values, default=0)):,}")


def means(
    name: str, sums: Sequence[float], counts: Sequence[float], moments: Sequence[datetime]
) -> Series:
    """Of durations in seconds, whose mean is told in milliseconds."""
    each = [total / count if count else 0.0 for total, count in zip(sums, counts, strict=True)]

    def between(start: int, end: int) -> str:
        count = sum(counts[start:end])
        return f"{sum(sums[start:end]) / count * 1000:.1f} ms" if count else "none"

    return _drawn(name, each, moments, between, f"{max(each, default=0) * 1000:.1f} ms")


def _drawn(
    name: str,
    values: Sequence[float],
    moments: Sequence[datetime],
    between: Callable[[int, int], str],
    most: str,
) -> Series:
    highest = max(values, default=0.0)
    start = WIDE - len(values) + 1
    heights = [HIGH - 1 - (HIGH - 2) * value / highest if highest else HIGH - 1 for value in values]
    ends = range(len(values), 0, -_MINUTE)
    return Series(
        name=name,
        total=between(0, len(values)),
        most=most,
        points=" ".join(f"{start + place},{high:.1f}" for place, high in enumerate(heights)),
        minutes=[(moments[end - 1], between(max(0, end - _MINUTE), end)) for end in ends],
        is_flat=not highest,
    )
