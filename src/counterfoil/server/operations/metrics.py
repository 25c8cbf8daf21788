"""What is counted, and how it is told: families of Prometheus in a registry of the server's own.

No label ever holds a person, an address, a session or a path as it was asked for: every label has
few values, whoever asks for what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import version
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
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client import Metric

ACCEPTED: Final = "accepted"  # the result that is no refusal; any other is a code
UNKNOWN: Final = "unknown"

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
    """The families of one server. `docs/operations.md` says what each is for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        GCCollector(self.registry)
        PlatformCollector(self.registry)
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "counterfoil_build_info", "1, with the version.", ["version"], registry=self.registry
        )
        build.labels(version("counterfoil")).set(1)
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
        self.in_flight = Gauge(
            "counterfoil_requests_in_flight", "Requests under way.", registry=self.registry
        )
        self.loop_lag = Histogram(
            "counterfoil_loop_lag_seconds",
            "How much later than it asked a task of the event loop was woken.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )

    def gauge(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A number that is read when somebody asks."""
        Gauge(name, what, registry=self.registry).set_function(read)

    def exposition(self, accept: str) -> Exposition:
        """All of it, in OpenMetrics where that is asked for, else in Prometheus's text format."""
        told = _WithoutCreated(self.registry)
        if _OPENMETRICS in accept:
            kind = f"{_OPENMETRICS}; version=1.0.0; charset=utf-8"
            body = generate_openmetrics(told, version="1.0.0")  # type: ignore[no-untyped-call] # theirs
            return Exposition(body, kind)
        return Exposition(generate_latest(told), _TEXT)

    def _tally(self, name: str, what: str, *labels: str) -> Tally:
        return Tally(Counter(name, what, labels, registry=self.registry))

    def _durations(self, name: str, what: str, label: str, buckets: tuple[float, ...]) -> Durations:
        return Durations(Histogram(name, what, [label], buckets=buckets, registry=self.registry))


class _WithoutCreated(Collector):
    """When each series began would be a second series for each; nobody asks for it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
            yield family
