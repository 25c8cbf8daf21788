"""What travels, and what is looked up: the same four steps with each strategy."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from counterfoil.client import StrategyName
from counterfoil.server.lab.bench import CLIENT_OF, STRATEGIES, signed_in
from counterfoil.server.lab.seen import (
    Chapter,
    Decoded,
    Exchange,
    Experiment,
    Note,
    Seen,
    Table,
    Verdict,
    counted,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench, Person
    from counterfoil.server.lab.calling import Answer

_ABOUT: Final[dict[StrategyName, tuple[str, str]]] = {
    "session": (
        "session: what travels means nothing by itself",
        (
            "The state is one record in the store. The browser holds a handle: the id of that"
            " record and random bits. Every request reads the record."
        ),
    ),
    "jwt": (
        "jwt: what travels says everything",
        (
            "The state is in the token itself: who it is, until when, with which roles, and a"
            " signature over all of it. A request reads nothing. A second text, the refresh handle,"
            " brings the next token, and for that the record is read. A token lives up to a tenth"
            " less than it may, so that not everybody comes for the next one at once."
        ),
    ),
    "hybrid": (
        "hybrid: what travels says everything, and names one bit",
        (
            "The same token, and in it the place of its status in a list. Whoever checks holds a"
            " copy of the list in memory, and is told what changes. So a request reads nothing, and"
            " a revocation is seen all the same."
        ),
    ),
}


def run(bench: Bench) -> Iterator[Seen]:
    """The steps with each strategy, and a comparison of what was measured."""
    person = bench.person()
    rows = []
    for strategy in STRATEGIES:
        yield Chapter(*_ABOUT[strategy])
        if strategy == STRATEGIES[0]:
            yield Note(
                "Beside the store are its calls: look_up reads a record, subject and client what is"
                " kept of those two, commit writes, reserve takes status indices."
            )
            yield Note(
                "Signing in takes long with each: most of it is argon2id at work on the password."
                " The account is read besides, from a table of the server's own."
            )
        rows.append((strategy, *(yield from _steps(bench, person, strategy))))
    yield Table(
        "What it came to",
        (
            "strategy",
            "carried with each request",
            "store calls for one request",
            "for a refresh",
            "after signing out",
            "revoked, good for at most",
        ),
        tuple(rows),
    )
    yield Verdict(
        "held",
        "The three differ in where the state is.",
        "session: in the store, which is asked each time. jwt: in the token, which nobody can take"
        " back. hybrid: in the token, and one bit about it in the memory of whoever checks.",
    )


def _steps(
    bench: Bench, person: Person, strategy: StrategyName
) -> Generator[Seen, None, tuple[str, ...]]:
    answer = bench.try_sign_in(person, CLIENT_OF[strategy]).expect(201)
    yield Exchange(what="Sign in", answer=answer)
    given = signed_in(answer)
    if strategy != "session":
        yield Note("What the token says. Anybody who holds it can read that; nobody can change it.")
        yield Decoded.of(given.token)
    asked = bench.who(given).expect(200)
    yield Exchange(what="A request: who am I?", answer=asked)
    yield Note(_looked_up(asked))
    refreshed = bench.call(
        "POST",
        "/v1/session/refresh",
        **(
            {"carried": given.carried}
            if strategy == "session"
            else {"refresh_handle": given.handle}
        ),
    ).expect(200)
    yield Exchange(what="Refresh: the handle is replaced by its successor", answer=refreshed)
    given = signed_in(refreshed)
    ended = bench.sign_out(given).expect(200)
    yield Exchange(what="Sign out", answer=ended)
    if strategy == STRATEGIES[0]:
        yield Note(
            "effective_within_seconds is L: how long it can still be accepted at the server, and at"
            " services with a Counterfoil Verifier. elsewhere_within_seconds is the same for"
            " services that know nothing but JWTs."
        )
    after = bench.who(given)
    yield Exchange(what="The same request again", answer=after)
    return (
        f"{given.carried.bytes_on_the_wire} bytes",
        _calls(asked),
        _calls(refreshed),
        f"refused: {after.code}" if after.code else "still accepted",
        counted(ended.body["effective_within_seconds"], "second"),
    )


def _calls(answer: Answer) -> str:
    return ", ".join(call.name for call in answer.store) or "none"


def _looked_up(answer: Answer) -> str:
    found = len(answer.store)
    if not found:
        return "Nothing was looked up for this request."
    total = sum(call.milliseconds for call in answer.store)
    return f"Looked up for this request: {_calls(answer)}, in {total:.2f} ms."


EXPERIMENT: Final = Experiment(
    slug="how-each-works",
    title="How each works",
    question="Where does the state live, what travels, and what is looked up for each request?",
    does=(
        "Ann signs in, makes a request, refreshes, signs out, and tries again: with a session, a"
        " JWT and the hybrid. The lab plays her browser; the requests are real, and drawn as they"
        " happen between browser, server and store."
    ),
    takes="about 3 seconds",
    run=run,
    governed=(("access_lifetime", "5 min", "5 s for jwt"), ("max_staleness", "10 s", "2 s")),
    reads=(("Strategies", "docs/strategies.md"), ("Sessions", "docs/sessions.md")),
)
