"""Takes the store away from a running server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from counterfoil.client import StrategyName
from counterfoil.server.lab.bench import CLIENT_OF, STRATEGIES, signed_in
from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.outliving import Outlived, until_refused
from counterfoil.server.lab.registered import JWT_ACCESS, MAX_STALENESS
from counterfoil.server.lab.seen import (
    Bar,
    Bars,
    Chapter,
    Experiment,
    Note,
    Said,
    Seen,
    Verdict,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench, SignedIn
    from counterfoil.server.lab.calling import Answer

NOTICED: Final = 0.25  # seconds in which SQLite's file may be gone before a read looks for it
BACK: Final = 5.0
_BOUND: Final[dict[StrategyName, float]] = {
    "session": NOTICED,
    "jwt": JWT_ACCESS.total_seconds(),
    "hybrid": MAX_STALENESS.total_seconds() + NOTICED,
}
_SIGNED_IN: Final[tuple[StrategyName, ...]] = ("session", "hybrid", "jwt")
_DEFAULT: Final[dict[StrategyName, str]] = {"session": "0", "jwt": "5 min", "hybrid": "10 s"}


def run(bench: Bench) -> Iterator[Seen]:
    """Takes the database away from a running server, and puts it back."""
    person = bench.person()
    service = bench.second_service()
    # jwt last: it expires soonest.
    given = {each: bench.sign_in(person, CLIENT_OF[each]) for each in _SIGNED_IN}
    asked = _asked(bench, given)
    for strategy in ("jwt", "hybrid"):
        path, carried = f"/{CLIENT_OF[strategy]}", given[strategy].carried
        service("GET", path, carried=carried).expect(200)
    for name, ask in asked.items():
        yield Said(name, "before", ask().expect(200))
    yield Chapter(
        "The store is away",
        "Its file is taken from its place. The server runs on. Everybody goes on asking who they"
        " are.",
    )
    with bench.without_store():
        gone = time.monotonic()
        promised = max(_BOUND.values())
        found = {}
        for name, one in until_refused(asked, since=gone, promised=promised):
            found[name] = one
            yield Said(name, f"went on for {one.lived_on}, then", one.answer)
        yield Said("Somebody new", "signs in", bench.try_sign_in(person, "web"))
        yield Said("jwt", "refreshes", bench.refresh(given["jwt"].handle))
    yield Chapter("The store is back", "Nobody has been signed out by it.")
    for strategy in STRATEGIES:
        what = "refreshed, and after" if strategy == "jwt" else "after"
        yield Said(strategy, what, _back(bench, given[strategy], strategy).expect(200))
    yield from _told(found)


def _asked(bench: Bench, given: dict[StrategyName, SignedIn]) -> dict[str, Callable[[], Answer]]:
    def asking(one: SignedIn) -> Callable[[], Answer]:
        return lambda: bench.who(one)

    return {strategy: asking(one) for strategy, one in given.items()}


def _back(bench: Bench, given: SignedIn, strategy: StrategyName) -> Answer:
    """What she is answered once the store can be read; a token that has run out is refreshed."""
    give_up = time.monotonic() + BACK
    if strategy == "jwt":
        while (renewed := bench.refresh(given.handle)).status != HTTPStatus.OK:
            _wait(give_up)
        given = signed_in(renewed)
    while (answer := bench.who(given)).status != HTTPStatus.OK:
        _wait(give_up)
    return answer


def _wait(give_up: float) -> None:
    if time.monotonic() > give_up:
        raise NotAsSaid("The store is back, and the server does not answer from it.")
    time.sleep(0.05)


def _told(found: dict[str, Outlived]) -> Iterator[Seen]:
    bars = tuple(
        Bar(
            label=strategy,
            value=found[strategy].last_accepted,
            told=found[strategy].lived_on,
            limit=_BOUND[strategy],
            limit_told=f"{_BOUND[strategy]:g} s",
            note=_DEFAULT[strategy],
        )
        for strategy in STRATEGIES
    )
    yield Bars(
        caption="How long each went on without the store",
        measured="went on for",
        limit="at most, here",
        note="by default",
        bars=bars,
    )
    yield Note(
        "The server looks five times a second whether SQLite's file is still there, so all of this"
        " may be a quarter of a second later. A database server that is gone is noticed at once."
    )
    kept = all(bar.limit is not None and bar.value <= bar.limit for bar in bars)
    yield Verdict(
        "held" if kept else "failed",
        "Nobody new was let in, and nobody was signed out." if kept else "A promise was not kept.",
        "session answers 503 at once, hybrid after L: try again. Had it been 401, she would have"
        " been sent to sign in, for nothing. jwt goes on until its token expires, which is 401"
        " credential_expired: refresh. That is what answers 503 then, and works once the store is"
        " back.",
    )


EXPERIMENT: Final = Experiment(
    slug="take-the-store-away",
    title="Take the store away",
    question="What if the store is down? Who goes on, for how long, and what is answered?",
    does=(
        "Ann is signed in with each strategy. The server's database is taken away while it runs,"
        " and put back once each has been refused."
    ),
    takes="about 7 seconds",
    run=run,
    governed=(
        ("access_lifetime", "5 min", "5 s for jwt"),
        ("max_staleness", "10 s", "2 s"),
    ),
    reads=(("Stores", "docs/stores.md"), ("Errors", "docs/errors.md")),
)
