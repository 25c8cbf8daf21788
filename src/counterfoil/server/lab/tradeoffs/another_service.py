"""Shows what another company's service can verify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from counterfoil.server.lab.bench import CLIENT_OF, STRATEGIES, bearer
from counterfoil.server.lab.calling import Caller
from counterfoil.server.lab.seen import (
    Chapter,
    Exchange,
    Experiment,
    Said,
    Seen,
    Table,
    Verdict,
    counted,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench

_SERVICE: Final = "Their service"


def run(bench: Bench) -> Iterator[Seen]:
    """Gives a service the public keys and nothing else, and shows it what Ann has."""
    person = bench.person()
    keys = bench.call("GET", "/.well-known/jwks.json").expect(200)
    yield Exchange(what="The public keys, once", answer=keys, who=_SERVICE)
    with bench.more_children(), bench.cut_off():
        yield Chapter(
            "A service that knows the public keys, and nothing else",
            "It was started with the text above, and its wire to the issuer is cut.",
        )
        service = Caller(bench.service(jwks=keys.body))
        rows = []
        for strategy in STRATEGIES:
            given = bench.sign_in(person, CLIENT_OF[strategy])
            # Whose audience it is asked for makes no difference to what is no token.
            path = "/api" if strategy == "session" else f"/{given.client_id}"
            answer = service("GET", path, carried=bearer(given.token))
            yield Exchange(what=f"Shown a {strategy}", answer=answer, who="Browser", whom=_SERVICE)
            other = service("GET", "/spa", carried=bearer(given.token))
            ended = bench.sign_out(given).expect(200)
            after = service("GET", path, carried=bearer(given.token))
            yield Said(strategy, "there, after Ann has signed out here", after)
            left = counted(ended.body["elsewhere_within_seconds"], "second")
            rows.append((strategy, answer.said, other.said, after.said, left))
    yield Table(
        "What their service said",
        ("shown", "at first", "as if for another audience", "after signing out", "for at most"),
        tuple(rows),
    )
    yield Verdict(
        "open",
        "A token is understood anywhere; a handle only where its record is.",
        "Whoever has the public key can check a jwt or a hybrid, in any language, and asks nobody."
        " For the same reason nobody tells them of a sign-out: the token is good there until it"
        " expires, which every answer calls elsewhere_within_seconds. A service with Counterfoil's"
        " Verifier, or one that reads the published status list, does hear of it.",
    )


EXPERIMENT: Final = Experiment(
    slug="another-service",
    title="Another service",
    question="Can another company's service verify it?",
    does=(
        "A service is started that is given the issuer's public keys and nothing else: no database,"
        " no network. It is shown what Ann has, before and after she signs out."
    ),
    takes="about 3 seconds",
    run=run,
    governed=(("access_lifetime", "5 min", "5 s for jwt, 5 min for hybrid"),),
    reads=(("Tokens and keys", "docs/tokens-and-keys.md"), ("Status", "docs/status.md")),
)
