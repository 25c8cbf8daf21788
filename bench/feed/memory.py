"""What a verifier holds in memory for the lists that it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.feed.crew import told_by
from bench.feed.findings import Aim, Finding
from counterfoil.status_list import DEFAULT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

WHAT: Final = "megabytes that a verifier of so many entries holds, each entry random"
MEGABYTE: Final = 1_000_000
MOST: Final = 4.0
LISTS: Final = {1: "one million", 10: "ten million"}


def memory(*, is_quick: bool) -> Iterator[Finding]:
    del is_quick  # it takes seconds
    found: dict[str, dict[str, Any]] = {}
    for lists, said in LISTS.items():
        traced = told_by("holding", lists, "--traced")
        bare = told_by("holding", lists)
        if traced["lists"] != lists:
            raise AssertionError("The verifier does not hold what it was given.")
        found[said] = {
            "entries": lists * DEFAULT_SIZE,
            "held": traced["now"] / MEGABYTE,
            "peak": traced["peak"] / MEGABYTE,
            "resident": bare.get("resident", 0) / MEGABYTE,
            "longest list": traced["longest list"] / MEGABYTE,
        }
    lines = [f"{'entries':>12}{'held':>8}{'peak':>8}{'resident':>10}"]
    lines += [
        f"{each['entries']:>12,}{each['held']:>8.2f}{each['peak']:>8.2f}{each['resident']:>10.2f}"
        for each in found.values()
    ]
    longest = found["ten million"]["longest list"]
    lines.append(f"on the wire such a list, signed, is {longest:.2f}: the worst that there is")
    aims = [Aim("megabytes held for ten million", MOST, [found["ten million"]["held"]])]
    yield Finding("feed-memory", WHAT, lines, found, aims)
