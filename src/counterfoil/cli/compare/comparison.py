"""The whole measurement in order, what was found, and on what."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from counterfoil.cli.compare.depth import Depth
from counterfoil.cli.compare.growth import Size, growth
from counterfoil.cli.compare.latency import PerRequest, per_request
from counterfoil.cli.compare.outages import Outage, without_network, without_store
from counterfoil.cli.compare.revocation import Refused, until_refused
from counterfoil.cli.compare.scene import scene
from counterfoil.lifetime import seconds_up

Progress = Callable[[str], None]
Chapters = Callable[[str], Progress]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """load: of the machine, as it began; above the number of processors others were at work.
    store_taken: how the store was taken away, in words."""

    machine: str
    store: str
    store_taken: str
    at: datetime
    load: float
    took: float
    depth: Depth
    per_request: tuple[PerRequest, ...]
    refusals: tuple[Refused, ...]
    without_store: tuple[Outage, ...]
    without_network: tuple[Outage, ...]
    sizes: tuple[Size, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """Each promise that was not kept, as a sentence."""
        late = [
            f"{each.strategy} ({each.where}) was accepted {each.last_accepted:.2f} s after its"
            f" revocation, then {each.code}; promised were {each.promised:.0f} s."
            for each in self.refusals
            if not each.is_kept
        ]
        cut = [
            f"{each.strategy}, revoked and cut off, was accepted for {each.went_on:.2f} s; promised"
            f" were {each.promised:.0f} s."
            for each in self.without_network
            if not each.is_kept
        ]
        return (*late, *cut)

    def as_json(self) -> dict[str, Any]:
        depth = self.depth
        return {
            "machine": self.machine,
            "store": self.store,
            "store_taken_away": self.store_taken,
            "at": self.at,
            "load": self.load,
            "took_seconds": self.took,
            "max_staleness_seconds": seconds_up(depth.max_staleness),
            "waited_for_access_seconds": seconds_up(depth.access),
            "promises_broken": list(self.broken),
            "per_request": [asdict(each) for each in self.per_request],
            "refusals": [asdict(each) for each in self.refusals],
            "without_store": [asdict(each) for each in self.without_store],
            "without_network": [asdict(each) for each in self.without_network],
            "sizes": [asdict(each) for each in self.sizes],
        }


def compared(depth: Depth, address: str | None, chapters: Chapters) -> Comparison:
    """Starts a server, measures, and ends it. chapters: told what comes next, gives what to tell
    how far that is. Raises `ConfigurationError` and `NotAsSaid`."""
    began, load = time.monotonic(), os.getloadavg()[0]
    chapters("Starting a server of its own")
    with scene(depth, address) as found:
        requests = per_request(found, chapters("One request"))
        refusals = until_refused(found, chapters("From a revocation to the first refusal"))
        storeless = without_store(found, chapters("Without the store"))
        cut_off = without_network(found, chapters("Without the network"))
        sizes = growth(found, chapters("From a thousand sessions to a million"))
        store = found.store
    return Comparison(
        machine=_machine(),
        store=store.name,
        store_taken=store.taken,
        at=datetime.now(UTC),
        load=load,
        took=time.monotonic() - began,
        depth=depth,
        per_request=tuple(requests),
        refusals=tuple(refusals),
        without_store=tuple(storeless),
        without_network=tuple(cut_off),
        sizes=tuple(sizes),
    )


def _machine() -> str:
    return (
        f"Counterfoil {version('counterfoil')} on {platform.python_implementation()}"
        f" {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} CPUs"
    )
