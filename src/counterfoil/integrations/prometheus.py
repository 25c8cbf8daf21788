"""What a `Verifier` knows, as metrics of the service that it checks for; with prometheus-client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.feeds.following import Knowledge
    from counterfoil.verifier import Verifier

_LABELS: Final = ("issuer", "audience")
_NAME: Final = "counterfoil_verifier_{}"
_SAYS: Final = {
    "status_age_seconds": "Age of what is known of revocations; past max_staleness checks are 503.",
    "keys_age_seconds": "Age of the issuer's keys.",
    "position": "Number in the feed up to which everything is known.",
    "connected": "1 while the issuer answers.",
    "max_staleness_seconds": "The greatest age at which tokens of most clients pass.",
}


class VerifierCollector(Collector):
    """Register it once, with every verifier of the process:
    `REGISTRY.register(VerifierCollector(verifier))`. It reads `Verifier.knowledge` when somebody
    asks, which costs no request. What is not known yet has no sample; an age is +Inf then.
    """

    def __init__(self, *verifiers: Verifier) -> None:
        self._verifiers = verifiers

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families alone: nothing has to be followed for that."""
        for name, says in _SAYS.items():
            yield GaugeMetricFamily(_NAME.format(name), says, labels=_LABELS)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        known = [
            ((each.issuer, each.audience), _values(each.knowledge)) for each in self._verifiers
        ]
        for name, family in zip(_SAYS, self.describe(), strict=True):
            for labels, values in known:
                if (value := values[name]) is not None:
                    family.add_metric(labels, value)
            yield family


def _values(known: Knowledge) -> dict[str, float | None]:
    bound = known.max_staleness
    return {
        "status_age_seconds": known.status_age,
        "keys_age_seconds": known.keys_age,
        "position": known.position.number if known.position is not None else None,
        "connected": float(known.connected_since is not None),
        "max_staleness_seconds": bound.total_seconds() if bound is not None else None,
    }
