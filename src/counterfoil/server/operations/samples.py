"""The last minutes of a server's own metrics, kept for people who look on: a small ring in memory.

Each process keeps its own, from when it started. Where there are several workers, what is sampled
are the counters of all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from counterfoil.clock import Clock
    from counterfoil.server.operations.metrics import Metrics

EVERY: Final = 5.0  # seconds
KEPT: Final = 241  # twenty minutes
# What is sampled, by the name of its counter: the label that tells its series apart.
_LABELS: Final[Mapping[str, str]] = {
    "counterfoil_sign_ins_total": "result",
    "counterfoil_checks_total": "result",
    "counterfoil_refreshes_total": "result",
    "counterfoil_revocations_total": "result",
    "counterfoil_events_total": "kind",
    "counterfoil_revocation_seconds_sum": "",
    "counterfoil_revocation_seconds_count": "",
}
_FAMILIES: Final = {
    name.removesuffix("_total").removesuffix("_sum").removesuffix("_count") for name in _LABELS
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters at a moment: by name and value of the label."""

    at: datetime
    counts: Mapping[tuple[str, str], float]


@dataclass(slots=True)
class Samples:
    """The ring. It begins with a sample, so that the first difference is a whole one."""

    metrics: Metrics
    clock: Clock
    kept: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT))

    def taken(self) -> Sample:
        """A sample of now."""
        counts: dict[tuple[str, str], float] = {}
        for family in self.metrics.counted():
            if family.name not in _FAMILIES:
                continue
            for sample in family.samples:
                label = _LABELS.get(sample.name)
                if label is not None:
                    key = sample.name, sample.labels.get(label, "")
                    counts[key] = counts.get(key, 0.0) + sample.value
        return Sample(self.clock.now(), counts)

    async def keep(self) -> None:
        """Takes one now and then, for ever; aside, for the files of many workers take a while."""
        while True:
            self.kept.append(await asyncio.to_thread(self.taken))
            await asyncio.sleep(EVERY)

    def labels(self, name: str) -> list[str]:
        """The values of its label that have been seen, in order."""
        seen = {label for sample in self.kept for kept, label in sample.counts if kept == name}
        return sorted(seen)

    def rises(self, name: str, labels: Iterable[str]) -> list[float]:
        """By how much these rose from each sample to the next, together. A counter that began anew
        rose from nothing."""
        wanted = [(name, label) for label in labels]
        sums = [sum(sample.counts.get(each, 0.0) for each in wanted) for sample in self.kept]
        pairs = pairwise(sums)
        return [after - before if after >= before else after for before, after in pairs]

    @property
    def moments(self) -> list[datetime]:
        """When each of those ended."""
        return [sample.at for sample in self.kept][1:]
