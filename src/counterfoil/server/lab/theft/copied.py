"""A cookie or token is copied to another machine."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from counterfoil.server.lab.bench import CLIENT_OF, STRATEGIES
from counterfoil.server.lab.outliving import until_refused
from counterfoil.server.lab.seen import (
    Bar,
    Bars,
    Chapter,
    Exchange,
    Experiment,
    Said,
    Seen,
    Sides,
    Verdict,
    counted,
)

if TYPE_CHECKING:
    from counterfoil.client import StrategyName
    from counterfoil.server.lab.bench import Bench
    from counterfoil.server.lab.calling import Answer

_THIEFS: Final = {"User-Agent": "Thief/1.0 (another machine)"}


def run(bench: Bench) -> Iterator[Seen]:
    """Uses Ann's credential as a thief, looks who notices, and revokes it."""
    bars, seen = [], ("", "")
    for strategy in STRATEGIES:
        bar, seen = yield from _stolen(bench, strategy)
        bars.append(bar)
    yield Bars(
        caption="How long the thief went on once Ann had ended the session",
        measured="went on for",
        limit="promised L",
        note="",
        bars=tuple(bars),
    )
    devices, trail = seen
    yield Sides(
        (
            ("Ann sees", f"{devices}: her own, seen a moment ago. The thief adds none."),
            (
                "The administrator sees",
                f"in the trail, at the end: {trail}. No line is about the thief.",
            ),
            (
                "What limits it",
                (
                    "Once the session is ended: L. Until then a session lasts while it is used, at"
                    " most for absolute; a token until it expires, for without the handle it brings"
                    " no other."
                ),
            ),
            ("Settings", "access_lifetime, max_staleness, idle, absolute"),
        )
    )
    yield Verdict(
        "open",
        "Nothing stops it: a bearer credential is good for whoever holds it.",
        "Nothing binds it to a device. HttpOnly and Secure cookies make it hard to get at; short"
        " lifetimes and revocation limit what it is worth. Only session and hybrid can be taken"
        " back from a thief before they expire.",
    )


def _stolen(
    bench: Bench, strategy: StrategyName
) -> Generator[Seen, None, tuple[Bar, tuple[str, str]]]:
    yield Chapter(strategy)
    person = bench.person()
    phone, given = bench.sign_in(person, "api"), bench.sign_in(person, CLIENT_OF[strategy])

    def as_thief() -> Answer:
        return bench.call("GET", "/v1/session", carried=given.carried, headers=_THIEFS)

    yield Exchange(what="The thief uses the copy", answer=as_thief().expect(200), who="Thief")
    yield Said("Browser", "Ann uses hers", bench.who(given).expect(200))
    listed = bench.devices(phone).expect(200)
    mine = [each for each in listed.body["sessions"] if each["id"] == given.session_id]
    ended = bench.call("DELETE", f"/v1/sessions/{given.session_id}", carried=phone.carried)
    yield Exchange(
        what="Ann ends that session, from her phone", answer=ended.expect(200), who="Phone"
    )
    trail = bench.trail(person, given.session_id)
    promised = float(ended.body["effective_within_seconds"])
    ((_, found),) = until_refused({"Thief": as_thief}, since=ended.ended, promised=promised)
    yield Said("Thief", found.way, found.answer)
    bar = Bar(
        label=strategy,
        value=found.last_accepted,
        told=found.lived_on,
        limit=promised,
        limit_told=f"{promised:g} s",
    )
    return bar, (counted(len(mine), "device"), ", ".join(trail))


EXPERIMENT: Final = Experiment(
    slug="copied",
    title="A cookie or token is copied",
    question="What can a thief do with it?",
    does=(
        "A thief has a copy of what Ann's browser carries, and uses it from another machine. Then"
        " Ann ends the session from her phone."
    ),
    takes="about 7 seconds",
    run=run,
    governed=(
        ("access_lifetime", "5 min", "5 s for jwt"),
        ("max_staleness", "10 s", "2 s"),
        ("idle", "7 d", "7 d"),
        ("absolute", "30 d", "30 d"),
    ),
    reads=(("Threat model", "docs/threat-model.md"), ("Revocation", "docs/revocation.md")),
)
