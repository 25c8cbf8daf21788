"""What happened, line by line, and its digest: two runs of one seed have the same."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from simulation.loop import Loop

OFTEN: Final = frozenset({"asks", "hears", "reads", "checks"})


class Line(NamedTuple):
    at: float
    who: str
    verb: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.who:<10} {self.verb:<12} {self.what}".rstrip()


class Trace:
    """The history of one run, and how often each thing happened in it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.lines: list[Line] = []
        self.counts: Counter[str] = Counter()

    def tell(self, who: str, verb: str, what: str = "") -> None:
        self.lines.append(Line(self._loop.now, who, verb, what))

    def count(self, what: str, times: int = 1) -> None:
        self.counts[what] += times

    @property
    def digest(self) -> str:
        said = "\n".join(f"{at:.9f} {who} {verb} {what}" for at, who, verb, what in self.lines)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def readable(self, *, of: str = "", since: float = 0.0) -> list[str]:
        """Without what happens all the time, but for `of`, from `since` on."""
        return [
            str(line)
            for line in self.lines
            if line.verb not in OFTEN or (line.who == of and line.at >= since)
        ]
