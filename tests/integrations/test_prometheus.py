"""What a verifier knows, as a scraper reads it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry, generate_latest

from counterfoil.feeds.following import Knowledge
from counterfoil.integrations.prometheus import VerifierCollector
from counterfoil.status_change import Position
from verifying import scene

if TYPE_CHECKING:
    from counterfoil import Verifier

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
KNOWN = Knowledge(
    is_current=True,
    status_age=0.25,
    keys_age=30.0,
    position=Position("e", 41),
    connected_since=AT,
    max_staleness=timedelta(seconds=10),
)
NOTHING = Knowledge(
    is_current=False,
    status_age=math.inf,
    keys_age=math.inf,
    position=None,
    connected_since=None,
    max_staleness=None,
)


class Knowing:
    """A verifier, as far as the collector looks at it."""

    issuer = "https://app.example"

    def __init__(self, audience: str, knowledge: Knowledge) -> None:
        self.audience = audience
        self.knowledge = knowledge


def told(*verifiers: Knowing) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(VerifierCollector(*(cast("Verifier", each) for each in verifiers)))
    lines = generate_latest(registry).decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def test_each_verifier_of_the_process_is_told_by_issuer_and_audience() -> None:
    """Its ages, how far it has come, whether the issuer answers, and its bound."""
    labels = '{audience="billing",issuer="https://app.example"}'
    assert told(Knowing("billing", KNOWN)) == {
        f"counterfoil_verifier_status_age_seconds{labels}": 0.25,
        f"counterfoil_verifier_keys_age_seconds{labels}": 30,
        f"counterfoil_verifier_position{labels}": 41,
        f"counterfoil_verifier_connected{labels}": 1,
        f"counterfoil_verifier_max_staleness_seconds{labels}": 10,
    }
    assert len(told(Knowing("billing", KNOWN), Knowing("search", KNOWN))) == 10


def test_what_is_not_known_is_infinitely_old_or_not_there() -> None:
    """So that an alert on the age fires before the first answer too."""
    labels = '{audience="billing",issuer="https://app.example"}'
    assert told(Knowing("billing", NOTHING)) == {
        f"counterfoil_verifier_status_age_seconds{labels}": math.inf,
        f"counterfoil_verifier_keys_age_seconds{labels}": math.inf,
        f"counterfoil_verifier_connected{labels}": 0,
    }


def test_it_reads_a_verifier_that_runs() -> None:
    """As it is when somebody asks."""
    with scene() as there:
        registry = CollectorRegistry()
        registry.register(VerifierCollector(there.verifier))
        labels = {"issuer": there.server.url, "audience": "api"}
        age = registry.get_sample_value("counterfoil_verifier_keys_age_seconds", labels)
        assert age is not None
        assert age < 60
