"""What goes on: sign-ins, refusals, reuse and revocations of the last minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from counterfoil.server.operations.metrics import ACCEPTED
from counterfoil.server.pages.console.charts import Series, means, series
from counterfoil.server.pages.console.entry import administered, page
from counterfoil.server.pages.trail_words import SUSPICIOUS, WORDS

if TYPE_CHECKING:
    from counterfoil.server.operations.samples import Samples
    from counterfoil.server.pages.answers import Answer
    from counterfoil.server.pages.visit import Person, Visit


class Chart(NamedTuple):
    """Some series under one title. none: what is said where there is none."""

    id: str
    title: str
    series: list[Series]
    none: str = ""


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """The charts, and who follows."""
    samples = await visit.parts.sampler.samples()
    kept = samples.kept
    values = {
        "charts": charts(samples),
        "since": kept[0].at if kept else visit.now,
        "workers": visit.parts.workers,
    }
    return page(visit, "overview.html", values)


def charts(samples: Samples) -> list[Chart]:
    """All of them."""
    return [
        Chart("sign-ins", "Sign-ins", _sign_ins(samples)),
        Chart("refusals", "Refusals by code", _refusals(samples), "Nothing was refused."),
        Chart("reuse", "Spent handles used again", _reuse(samples)),
        Chart("revocations", "Revocations", _revocations(samples)),
    ]


def _sign_ins(samples: Samples) -> list[Series]:
    name = "counterfoil_sign_ins_total"
    refused = [each for each in samples.labels(name) if each != ACCEPTED]
    return [
        series("Signed in", samples.rises(name, [ACCEPTED]), samples.moments),
        series("Refused", samples.rises(name, refused), samples.moments),
    ]


def _refusals(samples: Samples) -> list[Series]:
    """Of checks, refreshes and sign-ins together, the most frequent first."""
    names = (
        "counterfoil_checks_total",
        "counterfoil_refreshes_total",
        "counterfoil_sign_ins_total",
    )
    codes = {label for name in names for label in samples.labels(name)} - {ACCEPTED}
    rises = {}
    for code in codes:
        each = zip(*(samples.rises(name, [code]) for name in names), strict=True)
        rises[code] = [sum(values) for values in each]
    ranked = sorted(codes, key=lambda code: (-sum(rises[code]), code))
    return [series(code, rises[code], samples.moments) for code in ranked if any(rises[code])]


def _reuse(samples: Samples) -> list[Series]:
    name = "counterfoil_events_total"
    return [
        series(words, samples.rises(name, [kind]), samples.moments)
        for kind, words in WORDS.items()
        if kind in SUSPICIOUS
    ]


def _revocations(samples: Samples) -> list[Series]:
    ended = samples.rises("counterfoil_revocations_total", ["ended"])
    sums = samples.rises("counterfoil_revocation_seconds_sum", [""])
    counts = samples.rises("counterfoil_revocation_seconds_count", [""])
    return [
        series("Calls that ended sessions", ended, samples.moments),
        means("Until they were acknowledged, mean", sums, counts, samples.moments),
    ]
