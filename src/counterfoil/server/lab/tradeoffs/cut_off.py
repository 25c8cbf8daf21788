"""Cuts the wire between a service and the issuer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from counterfoil.server.lab.bench import signed_in
from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.outliving import until_refused
from counterfoil.server.lab.registered import JWT_ACCESS, MAX_STALENESS
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
    seconds,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench, SignedIn
    from counterfoil.server.lab.calling import Answer

BACK: Final = 10.0
_L: Final = MAX_STALENESS.total_seconds()
_ACCESS: Final = JWT_ACCESS.total_seconds()


def run(bench: Bench) -> Iterator[Seen]:
    """Cuts the wire between a service and the issuer; revokes meanwhile; mends it."""
    person = bench.person()
    service = bench.second_service()

    def at_service(one: SignedIn) -> Answer:
        return service("GET", f"/{one.client_id}", carried=one.carried)

    hybrid, other = bench.sign_in(person, "api"), bench.sign_in(person, "api")
    jwt = bench.sign_in(person, "partner")
    for name, one in (("hybrid", hybrid), ("hybrid, to be revoked", other), ("jwt", jwt)):
        yield Said(name, "at the second service, before", at_service(one).expect(200))
    yield Chapter(
        "The wire is cut",
        "The second service cannot reach the issuer. The issuer is well, and so is whoever calls"
        " either of them. One hybrid session is revoked right away.",
    )
    with bench.cut_off():
        cut = time.monotonic()
        ended = bench.sign_out(other).expect(200)
        yield Exchange(what="Revoke, at the issuer", answer=ended)
        found = {}
        for name, outlived in until_refused(
            {
                "hybrid": lambda: at_service(hybrid),
                "hybrid, revoked": lambda: at_service(other),
                "jwt": lambda: at_service(jwt),
            },
            since=cut,
            promised=_ACCESS,
        ):
            found[name] = outlived
            yield Said(name, f"went on for {outlived.lived_on}, then", outlived.answer)
        renewed = signed_in(bench.refresh(jwt.handle).expect(200))
        yield Said("jwt", "refreshed at the issuer, then shown to the service", at_service(renewed))
    yield Chapter("The wire is mended", "The service asks at once, and knows what it missed.")
    yield Said("hybrid", "after", _back(bench, hybrid).expect(200))
    yield Said("hybrid, revoked", "after", at_service(other).expect(401, "session_revoked"))
    late = found["hybrid, revoked"].last_accepted - (ended.ended - cut)
    bars = (
        _bar("hybrid", found["hybrid"].last_accepted, _L, "10 s"),
        _bar("hybrid, after its revocation", max(0.0, late), _L, "10 s"),
        _bar("jwt", found["jwt"].last_accepted, _ACCESS, "5 min"),
    )
    yield Bars(
        caption="How long the second service went on accepting",
        measured="went on for",
        limit="at most, here",
        note="by default",
        bars=bars,
    )
    yield Note(
        "It is less than L: the service goes by when it asked the last question that was answered,"
        " and that was before the cut. In the list above, time runs from the cut; in the table, for"
        " the revoked one, from its revocation."
    )
    yield Note(
        "A session does not come into it: a service that checks handles has to ask the issuer about"
        " each, so it would have been cut off at once."
    )
    kept = all(bar.limit is not None and bar.value <= bar.limit for bar in bars)
    yield Verdict(
        "held" if kept else "failed",
        "The bound held while the network was broken." if kept else "A promise was not kept.",
        "The service knows how old its knowledge is. Once that is L, it could be wrong about a"
        " revocation, so it answers 503 status_stale and fails closed. jwt never knew of"
        " revocations, and goes on, with new tokens too, until the issuer's keys are an hour old.",
    )


def _bar(label: str, value: float, limit: float, default: str) -> Bar:
    return Bar(label, value, seconds(value), limit, f"{limit:g} s", default)


def _back(bench: Bench, given: SignedIn) -> Answer:
    service, give_up = bench.second_service(), time.monotonic() + BACK
    while True:
        answer = service("GET", f"/{given.client_id}", carried=given.carried)
        if answer.status == HTTPStatus.OK:
            return answer
        if time.monotonic() > give_up:
            raise NotAsSaid("The wire is mended, and the service does not come back.")
        time.sleep(0.05)


EXPERIMENT: Final = Experiment(
    slug="cut-the-verifier-off",
    title="Cut the verifier off",
    question="What if the network breaks between a service and the issuer?",
    does=(
        "A second service checks tokens and follows the issuer over a wire. The wire is cut, a"
        " session is revoked meanwhile, and the service is asked until it refuses."
    ),
    takes="about 8 seconds",
    run=run,
    governed=(
        ("max_staleness", "10 s", "2 s"),
        ("access_lifetime", "5 min", "5 s for jwt"),
        ("Verifier(keys_max_age=…)", "1 h", "1 h"),
    ),
    reads=(("The bound", "docs/bound.md"), ("The verifier", "docs/verifier.md")),
)
