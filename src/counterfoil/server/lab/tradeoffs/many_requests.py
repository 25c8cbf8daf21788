"""Makes many requests: what a check costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from counterfoil.client import StrategyName
from counterfoil.server.lab.bench import LASTING, STRATEGIES
from counterfoil.server.lab.calling import Caller
from counterfoil.server.lab.seen import (
    Bar,
    Bars,
    Chapter,
    Chart,
    Dot,
    Experiment,
    Note,
    Seen,
    Table,
    Verdict,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench
    from counterfoil.server.lab.calling import Answer

REQUESTS: Final = 150
WARMING: Final = 10


def run(bench: Bench) -> Iterator[Seen]:
    """Many requests with each strategy, one after the other over one connection."""
    yield Chapter(
        f"{REQUESTS} requests with each strategy",
        "In turn, so that each has the same weather. Each is a dot: how long it took to be"
        " answered, HTTP and this machine's other work included.",
    )
    answers: dict[StrategyName, list[Answer]] = {each: [] for each in STRATEGIES}
    dots = _asking(bench, answers)
    yield Chart(
        caption="Milliseconds until each answer",
        series=STRATEGIES,
        dots=dots,
    )
    for _ in dots:
        pass  # whoever did not draw them has them made all the same
    yield Bars(
        caption="Half of the answers were there after",
        measured="median",
        limit="",
        note="slowest in a hundred",
        bars=tuple(
            Bar(
                label=strategy,
                value=(middle := statistics.median(each.milliseconds for each in found)),
                told=f"{middle:.2f} ms",
                note=f"{_slow(found):.2f} ms",
            )
            for strategy, found in answers.items()
        ),
    )
    yield Table(
        "What they took of the store",
        ("strategy", "requests", "store calls", "time in the store", "time in the server"),
        tuple((strategy, *_row(found)) for strategy, found in answers.items()),
    )
    yield Note(
        "The store is a SQLite file on this machine, about as near as a store can be. Over a"
        " network each look-up takes a round trip more, and every node asks the same database."
    )
    yield Verdict(
        "held",
        "A session reads the store for every request; jwt and hybrid read it for none.",
        "With a store this near it makes little difference, which is why one application with one"
        " database wants session. It counts where checks are many, the store is far, or a service"
        " has no store at all.",
    )


def _asking(bench: Bench, answers: dict[StrategyName, list[Answer]]) -> Iterator[Dot]:
    person = bench.person()
    given = {each: bench.sign_in(person, LASTING[each]) for each in STRATEGIES}
    caller = Caller(bench.port, keeps=True)
    for number in range(-WARMING, REQUESTS):
        for series, strategy in enumerate(STRATEGIES):
            answer = bench.who(given[strategy], caller=caller).expect(200)
            if number >= 0:
                answers[strategy].append(answer)
                yield Dot(series, number / REQUESTS, answer.milliseconds)
    caller.close()


def _slow(found: list[Answer]) -> float:
    return sorted(each.milliseconds for each in found)[len(found) * 99 // 100]


def _row(found: list[Answer]) -> tuple[str, ...]:
    calls = [call.milliseconds for each in found for call in each.store]
    inside = sum(each.inside for each in found)
    return str(len(found)), str(len(calls)), f"{sum(calls):.1f} ms", f"{inside:.0f} ms"


EXPERIMENT: Final = Experiment(
    slug="many-requests",
    title="Many requests",
    question="What is looked up per request, and what does it cost?",
    does=(
        f"Ann makes {REQUESTS} requests with each strategy. Each is timed, and its store calls are"
        " counted by the server."
    ),
    takes="about 3 seconds",
    run=run,
    reads=(("Performance", "docs/performance.md"),),
)
