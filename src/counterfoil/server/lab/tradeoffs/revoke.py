"""Revokes: how long a credential lives on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from counterfoil.client import StrategyName
from counterfoil.server.lab.bench import CLIENT_OF, STRATEGIES
from counterfoil.server.lab.outliving import Ask, until_refused
from counterfoil.server.lab.seen import (
    Bar,
    Bars,
    Chapter,
    Exchange,
    Experiment,
    Note,
    Said,
    Seen,
    Verdict,
    within,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench, Person

_DEFAULT: Final[dict[StrategyName, str]] = {"session": "0", "jwt": "5 min", "hybrid": "10 s"}
_WHY: Final[dict[StrategyName, str]] = {
    "session": "The record says that it has ended, and every request reads the record.",
    "jwt": (
        "The record says that it has ended, and no check reads the record. The refresh is refused"
        " at once; the token goes on for what is left of its 5 s."
    ),
    "hybrid": (
        "The revocation turns one bit over, and those who hold a copy of it are told before the"
        " revocation is acknowledged. One that could not be told notices that it hears nothing, and"
        " refuses everything once that has lasted for L."
    ),
}


def run(bench: Bench) -> Iterator[Seen]:
    """Signs in, revokes, and tries until refused, at the issuer and at a second service."""
    person = bench.person()
    bench.second_service()
    bars = []
    for strategy in STRATEGIES:
        yield Chapter(strategy, _WHY[strategy])
        bars += yield from _revoked(bench, person, strategy)
    kept = all(bar.limit is not None and bar.value <= bar.limit for bar in bars)
    yield Bars(
        caption="How long the credential was still accepted",
        measured="lived on for",
        limit="promised L",
        note="L by default",
        bars=tuple(bars),
    )
    yield Verdict(
        "held" if kept else "failed",
        "Every promise was kept." if kept else "A promise was not kept.",
        "session: not at all. hybrid: not at all where the network is well, and never longer than"
        " L. jwt: until it expires, whatever you do; choose its access lifetime as if it were the"
        " time that a thief gets.",
    )


def _revoked(
    bench: Bench, person: Person, strategy: StrategyName
) -> Generator[Seen, None, list[Bar]]:
    given = bench.sign_in(person, CLIENT_OF[strategy])
    asked: dict[str, Ask] = {"Server": lambda: bench.who(given)}
    if strategy != "session":
        service = bench.second_service()
        path = f"/{given.client_id}"
        asked["Second service"] = lambda: service("GET", path, carried=given.carried)
    for name, ask in asked.items():
        yield Said(name, "before", ask().expect(200))
    ended = bench.sign_out(given).expect(200)
    yield Exchange(what="Revoke", answer=ended)
    promised = float(ended.body["effective_within_seconds"])
    yield Note(f"Promised: refused {within(promised)}. Trying until it is …")
    bars = []
    for name, one in until_refused(asked, since=ended.ended, promised=promised):
        yield Said(name, one.way, one.answer)
        bars.append(
            Bar(
                label=f"{strategy}, {name.lower()}",
                value=one.last_accepted,
                told=one.lived_on,
                limit=promised,
                limit_told=f"{promised:g} s",
                note=_DEFAULT[strategy],
            )
        )
    return bars


EXPERIMENT: Final = Experiment(
    slug="revoke",
    title="Revoke",
    question="What happens on sign-out, and how long does the credential live on?",
    does=(
        "Ann signs in and signs out. Her old credential is tried again and again, at the server and"
        " at a second service that only checks tokens, until it is refused."
    ),
    takes="about 6 seconds",
    run=run,
    governed=(
        ("access_lifetime", "5 min", "5 s for jwt"),
        ("max_staleness", "10 s", "2 s"),
    ),
    reads=(("Revocation", "docs/revocation.md"), ("The bound", "docs/bound.md")),
)
