"""Bytes on the wire, HTTP's included and TCP's not, counted on the way."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from bench.feed.crew import all_told, crew
from bench.feed.findings import Finding
from bench.feed.node import HOST, Entry, Node, Wire, serving, sign_out
from counterfoil.cli.compare.passage import Passage, passage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from counterfoil.cli.compare.passage import Counted

WHAT: Final = "bytes between one verifier and the issuer, requests and answers whole"
APART: Final = 0.1
BOUND: Final = 3.0  # seconds: a poll each second


def traffic(*, is_quick: bool) -> Iterator[Finding]:
    with passage() as way:
        options = ("--issuer", f"http://{HOST}:{way.port}", "--max-staleness", f"{BOUND}s")
        with serving(*options) as node:
            way.leads_to = (HOST, node.port)
            yield _counted(node, way, 10 if is_quick else 100, 4.0 if is_quick else 15.0)


def _counted(node: Node, way: Passage, count: int, seconds: float) -> Finding:
    node.open(1)  # there is a list
    _, fresh = _cold_start(node, way)
    entries = node.open(2 * count)
    _revoke(node, entries[:count], apart=0)
    started, used = _cold_start(node, way)
    with crew("watching", node.issuer, 1) as members:
        all_told(members, {"watch": [entry.token for entry in entries[count:]]})
        time.sleep(BOUND)
        before = way.counted()
        time.sleep(seconds)
        idle = way.counted().since(before)
        before = way.counted()
        _revoke(node, entries[count:], apart=APART)
        all_told(members, {"told": True})
        told = way.counted().since(before)
    rows = {
        "a poll without news": _each(idle, idle.answers),
        "a revocation": _each(told, count),
        "a cold start, one list, nothing revoked": (fresh.sent, fresh.received),
        f"a cold start, one list, {count} revoked": (used.sent, used.received),
    }
    lines = [f"{'':44}{'sent':>8}{'received':>10}"]
    lines += [f"{name:44}{sent:>8.0f}{received:>10.0f}" for name, (sent, received) in rows.items()]
    lines.append(f"a cold start was {started} requests; one list has 1,048,576 entries")
    figures = {name: {"sent": sent, "received": back} for name, (sent, back) in rows.items()}
    return Finding("feed-traffic", WHAT, lines, figures)


def _revoke(node: Node, entries: Sequence[Entry], *, apart: float) -> None:
    with closing(Wire(node.port)) as wire:
        for entry in entries:
            wire.ask(sign_out(entry.token))
            time.sleep(apart)


def _cold_start(node: Node, way: Passage) -> tuple[int, Counted]:
    """Until a new verifier knows; how many requests that took."""
    before = way.counted()
    with crew("watching", node.issuer, 1):
        counted = way.counted().since(before)
    return counted.answers, counted


def _each(counted: Counted, pieces: int) -> tuple[float, float]:
    return counted.sent / pieces, counted.received / pieces
