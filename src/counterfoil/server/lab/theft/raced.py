"""A thief races the owner for the successor of a refresh handle."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
    counted,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench

ROUNDS: Final = 3


def run(bench: Bench) -> Iterator[Seen]:
    """Both refresh with the same handle at once, some times over; then the thief is late."""
    person = bench.person()
    given = bench.sign_in(person, "api")
    first, session_id, same = given.handle, given.session_id, 0
    yield Chapter(
        "Both refresh at once",
        "Ann and a thief who knows her handle. A lost reply looks just the same, so within the"
        " grace a spent handle leads to the one successor that there is.",
    )
    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS):
            answers = list(pool.map(bench.refresh, [given.handle] * 2))
            owner, thief = (answer.expect(200) for answer in answers)
            if number == 0:
                yield Exchange(what="Ann refreshes", answer=owner)
                yield Exchange(what="The thief does, at the same time", answer=thief, who="Thief")
            else:
                yield Said("Thief", "once more, at the same time as Ann", thief)
            same += signed_in(owner).handle == signed_in(thief).handle
            given = signed_in(owner)
    yield Note(f"{same} of {counted(ROUNDS, 'time')}, both were given the same successor.")
    trail = Counter(bench.trail(person, session_id))
    yield Chapter("The thief is late once", "The grace goes by, and the handle is an old one …")
    time.sleep(GRACE.total_seconds() + 0.1)
    late = bench.refresh(first).expect(401, "refresh_reused")
    yield Exchange(what="The thief refreshes", answer=late, who="Thief")
    repeated = counted(trail["refresh_repeated"], "line")
    yield Sides(
        (
            (
                "Ann sees",
                "nothing, as long as the thief keeps step; then she is signed out.",
            ),
            ("The administrator sees", f"{repeated} refresh_repeated for {ROUNDS} refreshes."),
            (
                "What limits it",
                "The absolute end of the session, and the first time that either is late.",
            ),
            ("Settings", "grace, absolute. With grace 0 a lost reply signs an honest client out."),
        )
    )
    yield Verdict(
        "open",
        "Nothing stops a thief who refreshes within the grace of the owner every time.",
        "There is one family all the while, never two, and each such use is a line in the trail."
        " Whoever sees refresh_repeated again and again for one session should end it.",
    )


EXPERIMENT: Final = Experiment(
    slug="raced",
    title="A thief races the owner",
    question="What if a thief refreshes at the same time?",
    does=(
        "Ann and a thief refresh with the same handle at the same moment, three times over. Then"
        " the thief comes too late."
    ),
    takes="about 3 seconds",
    run=run,
    governed=(("grace", "10 s", "2 s"), ("absolute", "30 d", "30 d")),
    reads=(("Handles and refresh", "docs/handles-and-refresh.md"),),
)
