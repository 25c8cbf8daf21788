"""The last minutes of a server's own metrics, kept for people who look on.

Where there are several workers, one of them takes the samples, of the counters of all; others read
them from a file beside the counts when somebody asks. To have each of them add up what all have
counted would cost the square of their number.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.clock import Clock
    from counterfoil.server.operations.metrics import Metrics

EVERY: Final = 5.0  # seconds
KEPT: Final = 241  # twenty minutes
FILE: Final = "samples.jsonl"
_ROOM: Final = 4 * KEPT  # lines, before those that are too old are dropped
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


@dataclass(frozen=True, slots=True)
class Samples:
    """Some, oldest first."""

    kept: tuple[Sample, ...] = ()

    def labels(self, name: str) -> list[str]:
        """The values of its label that have been seen, in order."""
        seen = {label for sample in self.kept for kept, label in sample.counts if kept == name}
        return sorted(seen)

    def rises(self, name: str, labels: Iterable[str]) -> list[float]:
        """By how much these rose from each sample to the next, together. A counter that began anew
        rose from nothing."""
        wanted = [(name, label) for label in labels]
        sums = [sum(sample.counts.get(each, 0.0) for each in wanted) for sample in self.kept]
        return [after - before if after >= before else after for before, after in pairwise(sums)]

    @property
    def moments(self) -> list[datetime]:
        """When each of those ended."""
        return [sample.at for sample in self.kept][1:]


@dataclass(slots=True)
class Sampler:
    """The samples of one process. takes: whether it is the one of several that takes them."""

    metrics: Metrics
    clock: Clock
    takes: bool = True
    _kept: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT))
    _lines: int = 0

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
        """Takes one now and then, for ever, where it is this process that does. What the former one
        of its number kept is gone on with."""
        if not self.takes:
            return
        self._kept.extend(await asyncio.to_thread(self._read))
        while True:
            with suppress(OSError):  # a full disk is no reason to stop
                self._kept.append(await asyncio.to_thread(self._take))
            await asyncio.sleep(EVERY)

    async def samples(self) -> Samples:
        """Those that there are, whoever takes them."""
        if self.takes:
            return Samples(tuple(self._kept))
        return Samples(tuple(await asyncio.to_thread(self._read)))

    @property
    def _place(self) -> Path | None:
        shared = self.metrics.shared
        return None if shared is None else shared / FILE

    def _take(self) -> Sample:
        sample = self.taken()
        if self._place is not None:
            self._write(self._place, sample)
        return sample

    def _write(self, place: Path, sample: Sample) -> None:
        if self._lines < _ROOM:
            with place.open("a", encoding="ascii") as file:
                file.write(_line(sample))
            self._lines += 1
            return
        kept = [*self._read(), sample][-KEPT:]
        fresh = place.with_suffix(".new")
        fresh.write_text("".join(map(_line, kept)), encoding="ascii")
        fresh.replace(place)
        self._lines = len(kept)

    def _read(self) -> list[Sample]:
        """Those of the file; a line that is being written is not there yet."""
        if self._place is None:
            return []
        with suppress(OSError):
            lines = self._place.read_text(encoding="ascii").split("\n")[:-1]
            self._lines = len(lines)
            return [found for line in lines[-KEPT:] if (found := _sample(line)) is not None]
        return []


def _line(sample: Sample) -> str:
    counts = [[*key, value] for key, value in sample.counts.items()]
    return f"{json.dumps([sample.at.timestamp(), counts])}\n"


def _sample(line: str) -> Sample | None:
    """None for one whose worker was killed while it was written."""
    try:
        at, counts = json.loads(line)
    except ValueError:
        return None
    return Sample(
        datetime.fromtimestamp(at, UTC), {(name, label): value for name, label, value in counts}
    )
