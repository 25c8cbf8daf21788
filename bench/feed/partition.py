"""Verifiers that are cut off from the issuer while it revokes: what is promised, and no more."""

from __future__ import annotations

import random
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from bench.feed.crew import all_told, crew
from bench.feed.findings import Aim, Finding, quantile
from bench.feed.machine import Disturbance
from bench.feed.node import HOST, Node, Wire, serving, sign_out, uptime
from counterfoil.cli.compare.passage import Passage, passage

if TYPE_CHECKING:
    from collections.abc import Iterator

WHAT: Final = "the network is cut, then a session is signed out at the issuer; seconds"
PROCESSES: Final = 2
EACH: Final = 5
BEFORE: Final = 1.0  # seconds up to which the cut varies: polls are then at any stage
SLACK: Final = 0.3  # seconds beyond L until the network is healed: all have refused by then
OK: Final = 200


def partition(*, is_quick: bool) -> Iterator[Finding]:
    rounds = {1: 3} if is_quick else {1: 10, 10: 5}
    for bound, count in rounds.items():
        with passage() as way:
            options = ("--issuer", f"http://{HOST}:{way.port}", "--max-staleness", f"{bound}s")
            with serving(*options) as node:
                way.leads_to = (HOST, node.port)
                yield _measured(node, way, bound, count)


def _measured(node: Node, way: Passage, bound: int, count: int) -> Finding:
    passed: list[float] = []
    stale: list[float] = []
    healed: list[float] = []
    refused = 0
    entries = node.open(2 * count)
    with crew("pressing", node.issuer, EACH, count=PROCESSES) as members:
        disturbance = Disturbance()
        for revoked, honest in zip(entries[::2], entries[1::2], strict=True):
            all_told(members, {"press": [revoked.token, honest.token]})
            time.sleep(random.uniform(0, BEFORE))  # noqa: S311 - to meet polls at any stage
            way.cut()
            with closing(Wire(node.port)) as wire:  # the server closes one that rests for long
                status, _ = wire.ask(sign_out(revoked.token))
            acknowledged = uptime()
            if status != OK:
                raise AssertionError(f"Signing out was answered {status}.")
            time.sleep(bound + SLACK)
            way.heal()
            mended = uptime()
            told = [each for member in members for each in member.hear()["pressed"]]
            if any(each["stale_until"] is None for each in told):
                raise AssertionError("A verifier did not become stale, or did not recover.")
            passed += [each["passed"] - acknowledged for each in told]
            stale += [each["stale_from"] - acknowledged for each in told]
            healed += [each["stale_until"] - mended for each in told]
            refused += sum(each["refused"] for each in told)
        others = disturbance.share()
    rows = {
        "the last check that passed, after the acknowledgement": passed,
        "the first that was not answered (503), after it": stale,
        "the first that was answered again, after healing": healed,
    }
    lines = [f"{'':56}{'p50':>8}{'p99':>8}{'worst':>8}"]
    for name, values in rows.items():
        shares = (quantile(values, share) for share in (0.5, 0.99, 1))
        lines.append(f"{name:56}" + "".join(f"{each:>8.3f}" for each in shares))
    lines.append(f"{PROCESSES * EACH} verifiers, cut off {count} times")
    aims = [
        Aim("never above L", bound, [max(passed)], " s", always=True),
        Aim("honest credentials refused", 0, [refused], always=True),
    ]
    return Finding(f"feed-partition, L = {bound} s", WHAT, lines, rows, aims, others)
