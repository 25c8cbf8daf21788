"""What verifiers cost the issuer who wait for news that do not come."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from bench.feed.crew import crew
from bench.feed.findings import Aim, Finding, figure
from bench.feed.machine import Disturbance
from bench.feed.node import Node, Taken, serving
from counterfoil.cli.demo.caller import NotAsSaid

if TYPE_CHECKING:
    from collections.abc import Iterator

WHAT: Final = "verifiers that wait, and nothing is revoked"
BOUNDS: Final = (10, 1)
SHARE: Final = 0.25
READS: Final = 5.0
ROUNDS: Final = 3
OF_FEED: Final = "feed"


def idle(*, is_quick: bool) -> Iterator[Finding]:
    count, seconds = (200, 4.0) if is_quick else (1000, 15.0)
    for bound in BOUNDS:
        with serving("--max-staleness", f"{bound}s") as node:
            node.open(1)
            try:
                yield _measured(node, count, bound, seconds)
            except NotAsSaid:
                yield _overrun(count, bound)


def _measured(node: Node, count: int, bound: int, seconds: float) -> Finding:
    with crew("polling", node.port, count, bound) as [member]:
        time.sleep(bound / 3)
        disturbance, rounds, told = Disturbance(), [], []
        for _ in range(ROUNDS):
            before = node.taken()
            member.tell({"poll": seconds})
            told.append(member.hear())
            rounds.append(node.since(before))
        others = disturbance.share()
    reads = [each.store_calls[OF_FEED] / each.seconds for each in rounds]
    shares = [each.cpu / each.seconds for each in rounds if each.cpu is not None]
    found = {
        "store reads for the feed, a second": reads,
        "other calls of the store, a second": [_others(each) for each in rounds],
        "answers, a second": [each.feed_requests / each.seconds for each in rounds],
        "share of one processor": shares,
        "of that for an answer, in ms": [
            (each.cpu or 0.0) / each.feed_requests * 1000 for each in rounds
        ],
        "the oldest knowledge, in seconds": [each["oldest"] for each in told],
        "answers that were none": [each["failures"] for each in told],
    }
    lines = [f"{name:40}" + _range(values) for name, values in found.items() if values]
    return Finding(
        f"feed-idle, {count:,} verifiers, L = {bound} s",
        WHAT,
        [f"{'':40}  lowest and highest of {ROUNDS} rounds", *lines],
        found,
        _aims(found, shares, bound),
        others,
    )


def _overrun(count: int, bound: int) -> Finding:
    """The server was so busy with them that it did not say what it did."""
    name, said = f"feed-idle, {count:,} verifiers, L = {bound} s", "the server did not answer"
    return Finding(
        name, WHAT, [said], {}, [Aim("knowledge never above L", bound, [math.inf], " s")]
    )


def _aims(found: dict[str, list[Any]], shares: list[float], bound: int) -> list[Aim]:
    aims = [Aim("knowledge never above L", bound, found["the oldest knowledge, in seconds"], " s")]
    if bound == BOUNDS[0]:
        aims += [
            Aim("share of one processor", SHARE, shares),
            Aim("store reads a second", READS, found["store reads for the feed, a second"]),
        ]
    return aims


def _others(taken: Taken) -> float:
    calls = sum(number for name, number in taken.store_calls.items() if name != OF_FEED)
    return calls / taken.seconds


def _range(values: list[float]) -> str:
    return f"{figure(min(values)):>9}{figure(max(values)):>9}"
