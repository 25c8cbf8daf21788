"""Where a number is drawn in a chart of the lab."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LEAST: Final = 0.1  # milliseconds
MOST: Final = 100.0
LINES: Final = (0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Milliseconds upwards, each line ten times the one below; requests from left to right."""

    width: int = 360
    height: int = 170
    left: int = 44
    bottom: int = 20
    top: int = 8

    @property
    def lines(self) -> list[tuple[float, str]]:
        """Each line's place, and what it is called."""
        return [(self.y(line), f"{line:g}") for line in LINES]

    def x(self, place: float) -> float:
        return round(self.left + 6 + place * (self.width - self.left - 12), 1)

    def y(self, milliseconds: float) -> float:
        """What is beyond an edge is drawn on it."""
        within = min(MOST, max(LEAST, milliseconds))
        share = math.log10(within / LEAST) / math.log10(MOST / LEAST)
        return round(self.height - self.bottom - share * (self.height - self.bottom - self.top), 1)
