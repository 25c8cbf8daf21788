"""What is read of a server at the moment when somebody asks for its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import Counter, Gauge, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from counterfoil.errors import CounterfoilError

if TYPE_CHECKING:
    from prometheus_client import Metric

    from counterfoil.feeds.published import Published
    from counterfoil.server.operations.metrics import Metrics
    from counterfoil.server.operations.observed import ObservedCounterfoil
    from counterfoil.server.passwords.hashing import PasswordHasher
    from counterfoil.server.storing import ServerKeys, ServerStore, Sessions
    from counterfoil.server.verifiers.register import VerifierRegister

LOOK_EVERY: Final = 0.25
LOOKS: Final = 4
# What is said of a process, and how it is said of several.
_OF_ALL: Final[dict[str, Literal["livesum", "livemin"]]] = {
    "process_virtual_memory_bytes": "livesum",
    "process_resident_memory_bytes": "livesum",
    "process_start_time_seconds": "livemin",
    "process_open_fds": "livesum",
    "process_max_fds": "livemin",
}


def register(
    metrics: Metrics,
    *,
    store: ServerStore,
    sessions: Sessions,
    hasher: PasswordHasher,
    keys: ServerKeys,
    auth: ObservedCounterfoil,
) -> None:
    """Has the metrics show these parts."""
    metrics.gauge(
        "counterfoil_password_queue", "Passwords that wait for a thread.", lambda: hasher.waiting
    )
    metrics.gauge(
        "counterfoil_store_queue",
        "What waits for the writer, or a connection, of the database.",
        lambda: store.rows.database.waiting + sessions.waiting,
    )
    metrics.age(
        "counterfoil_status_age_seconds",
        "Age of the status mirror; NaN before the first hybrid check.",
        auth.status_age,
    )
    metrics.age(
        "counterfoil_keys_age_seconds", "Seconds since the key files could last be read.", keys.age
    )
    metrics.gauge("counterfoil_workers", "Processes that answer.", lambda: 1)
    metrics.here.register(_Keys(keys))
    if metrics.shared is not None:
        metrics.on_look(_Process(metrics).look)


def of_feed(metrics: Metrics, published: Published | None, register: VerifierRegister) -> None:
    """Has the metrics show who follows the feed."""
    metrics.gauge(
        "counterfoil_feed_waiting",
        "Verifiers that wait for news.",
        lambda: published.pump.waiting if published is not None else 0,
    )
    metrics.gauge("counterfoil_verifiers_named", "Verifiers that authenticate.", register.named)
    metrics.gauge("counterfoil_verifiers_anonymous", "Those that do not.", register.anonymous)


async def watch_lag(metrics: Metrics) -> None:
    """Notes, four times a second, how late the event loop is; and what another worker may be asked
    for, every second."""
    for turn in count():
        if metrics.shared is not None and turn % LOOKS == 0:
            metrics.look()
        began = perf_counter()
        await asyncio.sleep(LOOK_EVERY)
        metrics.loop_lag.observe(max(0.0, perf_counter() - began - LOOK_EVERY))


class _Keys(Collector):
    """How old the keys are that sign."""

    def __init__(self, keys: ServerKeys) -> None:
        self._keys = keys

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that nothing is read before somebody asks."""
        return ()

    def collect(self) -> Iterable[Metric]:
        created = GaugeMetricFamily(
            "counterfoil_key_created_timestamp_seconds",
            "When the key was made that signs now.",
            labels=["purpose", "algorithm"],
        )
        with suppress(CounterfoilError):
            for key in self._keys.signing_keys().keys:
                if key.state == "active":
                    created.add_metric([key.purpose, key.algorithm], key.created_at.timestamp())
        yield created


class _Process:
    """What one of several workers takes of the machine, told for all of them together."""

    def __init__(self, metrics: Metrics) -> None:
        self._collector = ProcessCollector(registry=None)
        self._gauges: dict[str, Gauge] = {}
        for family in self._collector.collect():
            if mode := _OF_ALL.get(family.name):
                self._gauges[family.name] = Gauge(
                    family.name,
                    family.documentation,
                    multiprocess_mode=mode,
                    registry=metrics.registry,
                )
        self._cpu = Counter(
            "process_cpu_seconds", "User and system time, in seconds.", registry=metrics.registry
        )
        self._counted = 0.0

    def look(self) -> None:
        for family in self._collector.collect():
            value = family.samples[0].value
            if family.name in self._gauges:
                self._gauges[family.name].set(value)
            elif family.name == "process_cpu_seconds":
                self._cpu.inc(value - self._counted)
                self._counted = value
