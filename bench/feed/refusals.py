"""From a revocation to its first refusal, at verifiers that are connected."""

from __future__ import annotations

import math
import operator
import random
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bench.feed.crew import all_told, crew
from bench.feed.findings import Aim, Finding, in_rounds, quantile, spread
from bench.feed.machine import Disturbance
from bench.feed.node import Wire, serving, sign_out, uptime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.feed.crew import Member
    from bench.feed.node import Node

WHAT: Final = "a session is signed out; milliseconds until a verifier refuses its token"
ROUNDS: Final = 4
AT_REST: Final = 2.0  # seconds in which nothing happens, to see what that costs
APART: Final = (0.1, 0.2)  # seconds from one revocation to the next: each meets all at rest
P50: Final = 0.005
P99: Final = 0.050
BOUND: Final = 10.0
OK: Final = 200


class SetUp(NamedTuple):
    """How many verifiers, in how many processes, at a server of how many workers."""

    processes: int
    each: int
    workers: int = 1

    @property
    def verifiers(self) -> int:
        return self.processes * self.each

    def __str__(self) -> str:
        workers = "" if self.workers == 1 else f", {self.workers} workers"
        return f"{self.verifiers} verifier{'s' * (self.verifiers > 1)}{workers}"


SET_UPS: Final = (SetUp(1, 1), SetUp(10, 1), SetUp(10, 10))
SEVERAL_WORKERS: Final = (SetUp(10, 1, workers=4), SetUp(10, 10, workers=4))


class Revoked(NamedTuple):
    """When a revocation was sent and acknowledged."""

    sent: float
    acknowledged: float

    @property
    def took(self) -> float:
        return self.acknowledged - self.sent


class Spent(NamedTuple):
    """Seconds that went by, and of processor time at the server and at all verifiers together."""

    passed: float
    of_server: float
    of_verifiers: float

    def beyond(self, at_rest: Spent, pieces: int) -> Spent:
        """For each piece, what goes beyond what is spent at rest."""
        share = self.passed / at_rest.passed
        return Spent(
            self.passed / pieces,
            (self.of_server - at_rest.of_server * share) / pieces,
            (self.of_verifiers - at_rest.of_verifiers * share) / pieces,
        )


class Seen(NamedTuple):
    """Of every revocation, in seconds: until it was acknowledged, and at every verifier until it
    was known there, from the acknowledgement (below zero: before it) and from the request.
    spent: for one revocation."""

    answered: list[float]
    from_acknowledged: list[float]
    from_sent: list[float]
    last: list[float]
    spent: Spent


def refusals(*, is_quick: bool) -> Iterator[Finding]:
    count = 20 if is_quick else 200
    set_ups = SET_UPS if is_quick else (*SET_UPS, *SEVERAL_WORKERS)
    alone = _alone(count)
    for set_up in set_ups:
        with serving("--workers", str(set_up.workers)) as node:
            disturbance, seen = _measured(node, set_up, count)
        yield _finding(set_up, seen, alone, disturbance)


def _alone(count: int) -> list[float]:
    """How long signing out takes where no verifier is connected."""
    with serving() as node, closing(Wire(node.port)) as wire:
        return [_revoked(wire, entry.token).took for entry in node.open(count)]


def _measured(node: Node, set_up: SetUp, count: int) -> tuple[float | None, Seen]:
    entries = node.open(count)
    with (
        crew("watching", node.issuer, set_up.each, count=set_up.processes) as members,
        closing(Wire(node.port)) as wire,
    ):
        all_told(members, {"watch": [entry.token for entry in entries]})
        time.sleep(AT_REST)
        at_rest = _spent(node, members, lambda: time.sleep(AT_REST))
        disturbance, moments = Disturbance(), []

        def revoke() -> None:
            for entry in entries:
                moments.append(_revoked(wire, entry.token))
                time.sleep(random.uniform(*APART))  # noqa: S311 - no timer shall keep step with it

        spent = _spent(node, members, revoke)
        told = all_told(members, {"told": True})
        others = disturbance.share()
    _require_refused(told, set_up.verifiers * count)
    known = [seen for each in told for seen in each["seen"]]
    return others, _seen(moments, known, spent.beyond(at_rest, count))


def _revoked(wire: Wire, token: str) -> Revoked:
    sent = uptime()
    status, _ = wire.ask(sign_out(token))
    acknowledged = uptime()
    if status != OK:
        raise AssertionError(f"Signing out was answered {status}, so nothing is measured.")
    return Revoked(sent, acknowledged)


def _require_refused(told: Sequence[dict[str, Any]], expected: int) -> None:
    refused = sum(each["refused"] for each in told)
    if refused != expected:
        raise AssertionError(f"Of {expected} checks of revoked tokens {refused} were refused.")


def _spent(node: Node, members: Sequence[Member], work: Callable[[], None]) -> Spent:
    """While this was done."""
    before = uptime(), node.cpu() or math.nan, _cpu(members)
    work()
    after = uptime(), node.cpu() or math.nan, _cpu(members)
    return Spent(*map(operator.sub, after, before))


def _cpu(members: Sequence[Member]) -> float:
    return sum(float(each["cpu"]) for each in all_told(members, {"cpu": True}))


def _seen(
    moments: Sequence[Revoked],
    known: Sequence[Sequence[float]],
    spent: Spent,
) -> Seen:
    pairs = [*zip(moments, zip(*known, strict=True), strict=True)]
    return Seen(
        answered=[each.took for each in moments],
        from_acknowledged=[at - each.acknowledged for each, seen in pairs for at in seen],
        from_sent=[at - each.sent for each, seen in pairs for at in seen],
        last=[max(seen) - each.sent for each, seen in pairs],
        spent=spent,
    )


def _finding(
    set_up: SetUp, seen: Seen, alone: Sequence[float], disturbance: float | None
) -> Finding:
    rounds = in_rounds(seen.from_acknowledged, ROUNDS)
    rows = {
        "from the acknowledgement": seen.from_acknowledged,
        "from the request": seen.from_sent,
        "the last verifier, from the request": seen.last,
        "the acknowledgement, from the request": seen.answered,
        "the same with no verifier": alone,
    }
    lines = [f"{'':40}{'p50':>9}{'p99':>9}{'worst':>9}"]
    lines += [f"{name:40}{spread(values)}" for name, values in rows.items()]
    at_server, at_each = seen.spent.of_server, seen.spent.of_verifiers / set_up.verifiers
    lines.append(
        f"processor time of a revocation: {at_server * 1000:.2f} ms at the server,"
        f" {at_each * 1000:.2f} ms at each verifier"
    )
    figures = {
        **{name: _figures(values) for name, values in rows.items()},
        "processor seconds at the server": at_server,
        "processor seconds at each verifier": at_each,
    }
    aims = [
        Aim("p50 from the acknowledgement", P50 * 1000, _milliseconds(rounds, 0.5), " ms"),
        Aim("p99 from the acknowledgement", P99 * 1000, _milliseconds(rounds, 0.99), " ms"),
        Aim("never above L", BOUND, [max(seen.from_acknowledged)], " s", always=True),
    ]
    name = f"feed-refusals, {set_up}"
    return Finding(name, WHAT, lines, figures, aims, disturbance)


def _milliseconds(rounds: Sequence[Sequence[float]], share: float) -> list[float]:
    return [quantile(each, share) * 1000 for each in rounds]


def _figures(values: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p99": 0.99, "worst": 1.0}
    return {name: quantile(values, share) for name, share in shares.items()}
