"""A refresh handle that was spent long ago is used by a thief."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from counterfoil.server.lab.bench import signed_in
from counterfoil.server.lab.registered import GRACE
from counterfoil.server.lab.seen import (
    Chapter,
    Exchange,
    Experiment,
    Note,
    Said,
    Seen,
    Sides,
    Verdict,
    seconds,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench

WAIT: Final = GRACE.total_seconds() + 0.1


def run(bench: Bench) -> Iterator[Seen]:
    """Ann refreshes; the thief comes with the spent handle after the grace."""
    person = bench.person()
    given = bench.sign_in(person, "api")
    yield Chapter("Ann refreshes, and the thief has a copy of the handle that she spent")
    renewed = signed_in(bench.refresh(given.handle).expect(200))
    yield Exchange(what="Ann refreshes", answer=renewed.answer)
    yield Note(f"The grace goes by: {seconds(WAIT)}, in which a lost reply could be repeated …")
    time.sleep(WAIT)
    stolen = bench.refresh(given.handle).expect(401, "refresh_reused")
    yield Exchange(what="The thief refreshes with the spent handle", answer=stolen, who="Thief")
    yield Chapter(
        "The family is ended",
        "The handles of a session are one family: each is replaced by the next. Now two hold"
        " some of it, and nobody can tell which of them is Ann.",
    )
    token = bench.who(renewed).expect(401, "session_revoked")
    yield Exchange(what="Ann's token", answer=token)
    handle = bench.refresh(renewed.handle).expect(401, "session_revoked")
    yield Exchange(what="Ann's handle", answer=handle)
    again = bench.sign_in(person, "api")
    yield Said("Browser", "Ann signs in again", again.answer)
    trail = ", ".join(bench.trail(person, given.session_id))
    yield Sides(
        (
            ("Ann sees", f"that she is signed out: {token.body['next_step']}"),
            ("The administrator sees", f"in the trail: {trail}."),
            ("What limits it", "It is over at the first use of a spent handle after the grace."),
            ("Settings", "grace"),
        )
    )
    yield Verdict(
        "held",
        "Refused, the family ended, and noted.",
        "The thief got nothing. That holds for session, jwt and hybrid alike, for all of them have"
        " the same handles; only a jwt that was issued before goes on until it expires.",
    )


EXPERIMENT: Final = Experiment(
    slug="replayed",
    title="A spent refresh handle is replayed",
    question="What if a thief has an old refresh handle?",
    does=(
        "Ann refreshes. A thief has a copy of the handle that she had before, and uses it after the"
        " grace."
    ),
    takes="about 3 seconds",
    run=run,
    governed=(("grace", "10 s", "2 s"),),
    reads=(("Handles and refresh", "docs/handles-and-refresh.md"),),
)
