"""Somebody plants a cookie in Ann's browser, and waits for her to sign in with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from counterfoil.server.lab.bench import Person, cookie, signed_in
from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.seen import (
    Chapter,
    Exchange,
    Experiment,
    Note,
    Seen,
    Sides,
    Verdict,
    counted,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench

_COOKIE: Final = "__Host-cf_web"
_INVENTED: Final = "cf_" + "A" * 60


def run(bench: Bench) -> Iterator[Seen]:
    """Plants an invented handle, then the attacker's own; Ann signs in with each."""
    ann, mallory = bench.person(), bench.person("mallory")
    yield Chapter("A handle that the attacker made up")
    invented = cookie(_COOKIE, _INVENTED)
    asked = bench.call("GET", "/v1/session", carried=invented)
    yield Exchange(what="A request with it", answer=asked)
    yield Note(
        f"{counted(len(asked.store), 'store call')}: a handle carries a tag that only the server"
        " can make, so one that was made up costs nothing."
    )
    first = bench.try_sign_in(ann, "web", carried=invented).expect(201)
    yield Exchange(what="Ann signs in, with the planted cookie", answer=first)
    _require_other(_INVENTED, signed_in(first).token)
    yield Chapter("A handle of the attacker's own", "A good one: he is signed in with it himself.")
    planted = bench.sign_in(mallory, "web")
    answer = bench.try_sign_in(ann, "web", carried=planted.carried).expect(201)
    yield Exchange(what="Ann signs in, with the planted cookie", answer=answer)
    anns = signed_in(answer)
    _require_other(planted.token, anns.token)
    his = bench.who(planted)
    yield Exchange(what="The attacker uses his handle", answer=his, who="Attacker")
    hers = bench.who(anns).expect(200)
    yield Exchange(what="Ann uses hers", answer=hers)
    if hers.body["subject"] != ann.subject or not his.code:
        raise NotAsSaid("The planted handle is good for something.")
    yield Chapter(
        "A handle that was copied before a step-up",
        "Ann confirms her password, for something that wants it. Whoever had her handle before must"
        " not have the new one.",
    )
    yield from _stepped_up(bench, ann, anns.token)
    trail = ", ".join(bench.trail(mallory, planted.session_id))
    yield Sides(
        (
            ("Ann sees", "nothing unusual: she is signed in as herself."),
            ("The administrator sees", f"of the attacker's session: {trail}."),
            ("What limits it", "A new handle at every sign-in, step-up and change of privileges."),
            ("Settings", "none: it cannot be switched off."),
        )
    )
    yield Verdict(
        "held",
        "What was planted never became Ann's.",
        "An unknown handle is never adopted; a known one is ended as it is replaced; and __Host-"
        " cookies cannot be set by a sibling host or over plain http.",
    )


def _stepped_up(bench: Bench, ann: Person, handle: str) -> Iterator[Seen]:
    answer = bench.call(
        "POST", "/v1/session/step-up", carried=cookie(_COOKIE, handle), password=ann.password
    ).expect(200)
    yield Exchange(what="Ann steps up", answer=answer)
    stolen = bench.call("POST", "/v1/session/refresh", carried=cookie(_COOKIE, handle))
    yield Exchange(what="The thief refreshes with her former handle", answer=stolen, who="Thief")
    if not stolen.code:
        raise NotAsSaid("The former handle leads to the new one.")


def _require_other(planted: str, given: str) -> None:
    if planted == given:
        raise NotAsSaid("The planted handle was adopted.")


EXPERIMENT: Final = Experiment(
    slug="fixated",
    title="A session is fixated",
    question="What if the cookie was there before the sign-in?",
    does=(
        "Somebody plants a cookie in Ann's browser: first one that is made up, then a good one of"
        " his own. She signs in, and he tries what he has planted."
    ),
    takes="about 2 seconds",
    run=run,
    reads=(("Sessions", "docs/sessions.md"), ("Handles", "docs/handles-and-refresh.md")),
)
