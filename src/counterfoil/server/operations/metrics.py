"""What is counted, and how it is told: families of Prometheus in registries of the server's own.

No label ever holds a person, an address, a session or a path as it was asked for: every label has
few values, whoever asks for what.

Where the server is several workers, each counts in a file of its own that it keeps in memory, and
whichever is asked adds them up. A worker that is started again goes on counting where the former
one of its number stopped, however that ended: counters never go down.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from counterfoil.clock import SystemClock
from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from prometheus_client import Metric

ACCEPTED: Final = "accepted"  # the result that is no refusal; any other is a code
UNKNOWN: Final = "unknown"

_FILES: Final = ("counter", "histogram", "gauge_livesum", "gauge_livemin")
_FILE_SIZE: Final = 1 << 20

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS: Final = "application/openmetrics-text"
_STORE_BUCKETS: Final = (0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 1, 5)
_REQUEST_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Tally:
    """A counter by its labels; each child is looked up once, for that costs more than counting."""

    __slots__ = ("_children", "_family")

    def __init__(self, family: Counter) -> None:
        self._family = family
        self._children: dict[tuple[str, ...], Counter] = {}

    def count(self, *labels: str) -> None:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._family.labels(*labels)
        child.inc()


class Durations:
    """A histogram of seconds by its label, in the same way."""

    __slots__ = ("_children", "_family")

    def __init__(self, family: Histogram) -> None:
        self._family = family
        self._children: dict[str, Histogram] = {}

    def observe(self, label: str, seconds: float) -> None:
        child = self._children.get(label)
        if child is None:
            child = self._children[label] = self._family.labels(label)
        child.observe(seconds)


class Exposition(NamedTuple):
    """What is sent to whoever scrapes."""

    body: bytes
    content_type: str


class Metrics:
    """The families of one server. `docs/operations.md` says what each is for.

    shared: the folder where several workers of one server count; see `of_worker`.
    """

    def __init__(self, *, shared: Path | None = None) -> None:
        self.shared = shared
        self.registry = CollectorRegistry()  # what is counted; of all workers, where it is told
        self.here = CollectorRegistry()  # what any process can tell for all
        self._looks: list[Callable[[], None]] = []
        self._ages: set[str] = set()
        self._uptime = SystemClock().uptime
        PlatformCollector(self.here)
        if shared is None:
            GCCollector(self.here)
            ProcessCollector(registry=self.here)
        build = GaugeMetricFamily(
            "counterfoil_build_info", "1, with the version.", labels=["version"]
        )
        build.add_metric([version("counterfoil")], 1)
        self.here.register(_Constant(build))
        self.checks = self._tally(
            "counterfoil_checks", "Checks of a credential.", "strategy", "result"
        )
        self.sign_ins = self._tally("counterfoil_sign_ins", "Passwords to sign in with.", "result")
        self.refreshes = self._tally(
            "counterfoil_refreshes", "Refreshes of a session.", "strategy", "result"
        )
        self.revocations = self._tally(
            "counterfoil_revocations", "Calls that end sessions.", "call", "result"
        )
        self.revocation_seconds = self._durations(
            "counterfoil_revocation_seconds",
            "Seconds until a call that ends sessions was acknowledged.",
            "call",
            _REQUEST_BUCKETS,
        )
        self.events = self._tally("counterfoil_events", "Lines of the trail.", "kind")
        self.store_calls = self._tally("counterfoil_store_calls", "Calls of the store.", "call")
        self.store_failures = self._tally(
            "counterfoil_store_failures", "Calls that the store could not answer.", "call"
        )
        self.store_seconds = self._durations(
            "counterfoil_store_seconds", "Seconds of a call of the store.", "call", _STORE_BUCKETS
        )
        self.requests = self._tally(
            "counterfoil_requests", "Requests answered.", "method", "route", "status"
        )
        self.request_seconds = self._durations(
            "counterfoil_request_seconds", "Seconds of a request.", "route", _REQUEST_BUCKETS
        )
        self.feed_answers = self._tally("counterfoil_feed_answers", "Answers of the feed.", "kind")
        self.in_flight = self._sum("counterfoil_requests_in_flight", "Requests under way.")
        self.loop_lag = Histogram(
            "counterfoil_loop_lag_seconds",
            "How much later than it asked a task of the event loop was woken.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        starts = Counter(
            "counterfoil_worker_starts", "Times that a worker was started.", registry=self.registry
        )
        starts.inc()

    def gauge(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A number that is read when somebody asks; of all workers, the sum."""
        told = self._sum(name, what)
        self.on_look(lambda: told.set(read()))

    def age(self, name: str, what: str, read: Callable[[], float]) -> None:
        """An age in seconds, NaN for none; of all workers, the greatest. Kept as the moment it
        counts from, so that it goes on growing when nobody reads it any more."""
        oldest = Gauge(name, what, multiprocess_mode="livemin", registry=self.registry)
        self._ages.add(name)

        def look() -> None:
            age = read()
            oldest.set(math.inf if math.isnan(age) else self._uptime() - age)

        self.on_look(look)

    def on_look(self, look: Callable[[], None]) -> None:
        """Has this called when somebody asks, and where it may be another worker that is asked,
        every second."""
        self._looks.append(look)

    def look(self) -> None:
        for look in self._looks:
            look()

    def exposition(self, accept: str) -> Exposition:
        """All of it, in OpenMetrics where that is asked for, else in Prometheus's text format."""
        self.look()
        told = _Told(self._families)
        if _OPENMETRICS in accept:
            kind = f"{_OPENMETRICS}; version=1.0.0; charset=utf-8"
            body = generate_openmetrics(told, version="1.0.0")  # type: ignore[no-untyped-call] # theirs
            return Exposition(body, kind)
        return Exposition(generate_latest(told), _TEXT)

    def counted(self) -> Iterable[Metric]:
        """What is counted, of all workers, as it stands."""
        counted: Collector | CollectorRegistry = self.registry
        if self.shared is not None:
            counted = MultiProcessCollector(None, str(self.shared))  # type: ignore[no-untyped-call] # theirs
        now = self._uptime()
        for family in counted.collect():
            if family.name in self._ages:
                family.samples = [
                    each._replace(value=_age(each.value, now)) for each in family.samples
                ]
            yield family

    def _families(self) -> Iterable[Metric]:
        yield from self.counted()
        yield from self.here.collect()

    def _sum(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, multiprocess_mode="livesum", registry=self.registry)

    def _tally(self, name: str, what: str, *labels: str) -> Tally:
        return Tally(Counter(name, what, labels, registry=self.registry))

    def _durations(self, name: str, what: str, label: str, buckets: tuple[float, ...]) -> Durations:
        return Durations(Histogram(name, what, [label], buckets=buckets, registry=self.registry))


def of_worker(number: int, shared: Path) -> Metrics:
    """The metrics of one of several workers, which have a folder in common. Everything that this
    process counts from now on is counted there."""
    for kind in _FILES:
        _make(shared / f"{kind}_{number}.db")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call] # theirs
    return Metrics(shared=shared)


def _make(place: Path) -> None:
    """Takes the room at once: a disk that is full when a file in memory grows kills the process."""
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, _FILE_SIZE)
    except OSError as why:
        raise ConfigurationError(f"Make room in {place.parent}: {why.strerror}.") from None
    finally:
        os.close(descriptor)


def _age(began: float, now: float) -> float:
    return math.nan if math.isinf(began) else max(0.0, now - began)


class _Constant(Collector):
    """A family that does not change."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        yield self._family


class _Told(Collector):
    """Without when each series began: that would be a second series for each, for nobody."""

    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families():
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
            yield family
