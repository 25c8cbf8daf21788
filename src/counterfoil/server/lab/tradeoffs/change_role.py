"""Changes a role: why it is stale, and for how long."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from counterfoil.client import StrategyName
from counterfoil.server.lab.bench import CLIENT_OF, STRATEGIES, signed_in
from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.outliving import LONGER, PAUSE
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
    counted,
    seconds,
    within,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench, SignedIn

_OLD, _NEW = "reader", "editor"
_DEFAULT: Final[dict[StrategyName, str]] = {"session": "0", "jwt": "5 min", "hybrid": "10 s"}
_WHY: Final[dict[StrategyName, str]] = {
    "session": "Roles are read with the record, so the next request has the new ones.",
    "jwt": (
        "Roles stand in the token, as of its issue. Nobody tells the verifiers anything, so they"
        " stay until it expires, or until the client happens to refresh."
    ),
    "hybrid": (
        "Roles stand in the token too. The change turns its bit to stale: the old token is refused"
        " with claims_stale, the client refreshes, and nobody is signed out."
    ),
}


def run(bench: Bench) -> Iterator[Seen]:
    """Gives somebody another role, and asks who she is until it shows."""
    bars = []
    for strategy in STRATEGIES:
        yield Chapter(strategy, _WHY[strategy])
        bars.append((yield from _changed(bench, strategy)))
    kept = all(bar.limit is not None and bar.value <= bar.limit for bar in bars)
    yield Bars(
        caption=f"How long the role {_OLD} was still good",
        measured="old role good for",
        limit="promised L",
        note="L by default",
        bars=tuple(bars),
    )
    yield Verdict(
        "held" if kept else "failed",
        "Stale for no longer than promised." if kept else "A promise was not kept.",
        "A claim in a token is a copy, and a copy ages. session copies nothing. hybrid notices that"
        " its copy is old. jwt does not, so put into it only what may be old.",
    )


def _changed(bench: Bench, strategy: StrategyName) -> Generator[Seen, None, Bar]:
    person = bench.person()
    bench.set_roles(person, _OLD).expect(200)
    given = bench.sign_in(person, CLIENT_OF[strategy])
    yield Said("Browser", f"before: {_OLD}", bench.who(given).expect(200))
    changed = bench.set_roles(person, _NEW).expect(200)
    yield Exchange(what=f"Make her {_NEW}", answer=changed, who="Administrator")
    promised = float(changed.body["effective_within_seconds"])
    if strategy == "session":
        promised = 0.0  # the answer is about the slowest of her clients
    yield Note(f"Promised: it shows {within(promised)}. Asking until it does …")
    last, times = _last_old(bench, given, since=changed.ended, promised=promised)
    answer = bench.who(given)
    what = f"the old role {counted(times, 'time')} more, then" if times else "at the first try"
    yield Said("Browser", what, answer)
    if answer.status != HTTPStatus.OK:
        renewed = bench.refresh(given.handle).expect(200)
        yield Exchange(what="Refresh, with the handle", answer=renewed)
        given = signed_in(renewed)
    seen = bench.who(given).expect(200)
    yield Said("Browser", f"after: {', '.join(seen.body['claims']['roles'])}", seen)
    if seen.body["claims"]["roles"] != [_NEW]:
        raise NotAsSaid("The new role does not show.")
    return Bar(
        label=strategy,
        value=last,
        told=seconds(last) if times else "not at all",
        limit=promised,
        limit_told=f"{promised:g} s",
        note=_DEFAULT[strategy],
    )


def _last_old(bench: Bench, given: SignedIn, *, since: float, promised: float) -> tuple[float, int]:
    """When the last request began that went by the old role, and how many did."""
    last, times = 0.0, 0
    while True:
        answer = bench.who(given)
        is_old = answer.status == HTTPStatus.OK and answer.body["claims"]["roles"] == [_OLD]
        if not is_old:
            return last, times
        last, times = answer.began - since, times + 1
        if last > promised + LONGER:
            raise NotAsSaid(f"The old role is still good after {last:.1f} s.")
        time.sleep(PAUSE)


EXPERIMENT: Final = Experiment(
    slug="change-a-role",
    title="Change a role",
    question="Why is a role stale, and for how long?",
    does=(
        f"Ann is a {_OLD} and is signed in. An administrator makes her {_NEW}. She asks who she is"
        " until the new role shows."
    ),
    takes="about 6 seconds",
    run=run,
    governed=(
        ("access_lifetime", "5 min", "5 s for jwt"),
        ("max_staleness", "10 s", "2 s"),
    ),
    reads=(("Claims", "docs/claims.md"),),
)
