"""Adds claims until it hurts: what travels with each request, and how large it grows."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.server.lab.bench import signed_in
from counterfoil.server.lab.seen import Bar, Bars, Chapter, Experiment, Note, Seen, Verdict

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench

COOKIE: Final = 4096
HEADER: Final = 8192
_NUMBERS: Final = (0, 15, 30, 40, 60, 64)
_LONG: Final = "department-of-salt-and-ferries/{:03d}/accounts-receivable:approver"


class _Way(NamedTuple):
    """A credential and where it travels."""

    client_id: str
    name: str


_WAYS: Final = (
    _Way("web", "session"),
    _Way("spa", "hybrid in a cookie"),
    _Way("api", "hybrid in a header"),
)


def run(bench: Bench) -> Iterator[Seen]:
    """Gives somebody more and more roles, and measures what her client then carries."""
    person = bench.person()
    longest = len(_LONG.format(0))
    yield Chapter(
        "More and more roles",
        "The names of groups that a directory gives out are long, and people are in many. Here each"
        f" has {longest} characters.",
    )
    sizes: dict[_Way, list[tuple[int, int]]] = {way: [] for way in _WAYS}
    refused: dict[_Way, int] = {}
    for number in _NUMBERS:
        bench.set_roles(person, *map(_LONG.format, range(number))).expect(200)
        for way in (each for each in _WAYS if each not in refused):
            answer = bench.try_sign_in(person, way.client_id)
            if answer.status == HTTPStatus.CREATED:
                size = signed_in(answer).carried.bytes_on_the_wire
                sizes[way].append((number, size))
                continue
            refused[way] = number
            yield Note(f"{number} roles, {way.name}: the sign-in is refused, {answer.status}.")
        told = [f"{way.name} {found[-1][1]}" for way, found in sizes.items() if way not in refused]
        if told:
            yield Note(f"{number} roles, in bytes: {', '.join(told)}.")
    yield Bars(
        caption="The header line that goes with each request",
        measured="bytes",
        limit="",
        note="",
        bars=tuple(
            Bar(f"{way.name}, {number} roles", float(size), f"{size} bytes")
            for way, found in sizes.items()
            for number, size in (found[:1] + found[-1:] if way.client_id == "web" else found)
        ),
        marks=(("most that browsers keep in a cookie", COOKIE), ("most in a line, nginx", HEADER)),
    )
    cookie, header = (sizes[way][-1][0] for way in _WAYS[1:])
    yield Verdict(
        "open",
        f"A cookie carried {cookie} such roles in a token, a header {header}; the next try was"
        " refused.",
        "A handle has one size, whatever is said about its owner. A token carries what it says with"
        f" every request. Past {COOKIE} bytes browsers drop a cookie without a word, so Counterfoil"
        f" refuses to issue it; past {HEADER} proxies refuse the request. More than 4096 bytes of"
        " claims are refused with each strategy; in a token the same are a third longer. Put ids"
        " into a token, and look the rest up.",
    )


EXPERIMENT: Final = Experiment(
    slug="add-claims",
    title="Add claims until it hurts",
    question="What travels with each request, and how large is it?",
    does=(
        "Ann is given more and more roles, and signs in again each time: with a session, with a"
        " signed token in a cookie, and with one in a header. What has to travel is measured."
    ),
    takes="about 6 seconds",
    run=run,
    governed=(("what your claims source answers", "nothing", "up to 64 roles"),),
    reads=(("Claims", "docs/claims.md"), ("Cookies", "docs/cookies-and-csrf.md")),
)
