"""What is read of a server at the moment when somebody asks for its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from counterfoil.errors import CounterfoilError

if TYPE_CHECKING:
    from prometheus_client import Metric

    from counterfoil.server.operations.metrics import Metrics
    from counterfoil.server.operations.observed import ObservedCounterfoil
    from counterfoil.server.passwords.hashing import PasswordHasher
    from counterfoil.stores.key_files import KeyFiles
    from counterfoil.stores.sqlite import SqliteStore

LOOK_EVERY: Final = 0.25


def register(
    metrics: Metrics,
    *,
    store: SqliteStore,
    hasher: PasswordHasher,
    keys: KeyFiles,
    auth: ObservedCounterfoil,
) -> None:
    """Has the metrics show these parts."""
    metrics.gauge(
        "counterfoil_password_queue", "Passwords that wait for a thread.", lambda: hasher.waiting
    )
    metrics.gauge(
        "counterfoil_store_queue",
        "Writes that wait for the writer of the database.",
        lambda: store.rows.database.writer.waiting,
    )
    metrics.gauge(
        "counterfoil_status_age_seconds",
        "Age of the status mirror; NaN before the first hybrid check.",
        auth.status_age,
    )
    metrics.registry.register(_Keys(keys))


async def watch_lag(metrics: Metrics) -> None:
    """Notes, four times a second, how late the event loop is."""
    while True:
        began = perf_counter()
        await asyncio.sleep(LOOK_EVERY)
        metrics.loop_lag.observe(max(0.0, perf_counter() - began - LOOK_EVERY))


class _Keys(Collector):
    """How old the keys are that sign, and for how long their files could not be read."""

    def __init__(self, keys: KeyFiles) -> None:
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
        yield GaugeMetricFamily(
            "counterfoil_keys_age_seconds",
            "Seconds since the key files could last be read.",
            value=self._keys.age(),
        )
