"""Asks two nodes: what they must share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from counterfoil.server.lab.bench import LASTING, STRATEGIES
from counterfoil.server.lab.calling import Caller
from counterfoil.server.lab.seen import (
    Chapter,
    Exchange,
    Experiment,
    Note,
    Said,
    Seen,
    Table,
    Verdict,
    seconds,
)

if TYPE_CHECKING:
    from counterfoil.client import StrategyName
    from counterfoil.server.lab.bench import Bench, SignedIn

_NOTHING, _KEYS, _STORE = "nothing shared", "keys shared", "keys and store shared"
_WITNESS: Final = "witness-*"  # what a node knows of its own store


def run(bench: Bench) -> Iterator[Seen]:
    """Asks three other nodes about what the first has issued."""
    yield Note("Starting three more servers by the same issuer's name …")
    with bench.more_children():
        nodes = _started(bench)
        person = bench.person()
        given = {each: bench.sign_in(person, LASTING[each]) for each in STRATEGIES}
        yield Chapter(
            "Signed in at one node, asked at another",
            "As behind a load balancer that sends each request wherever there is room.",
        )
        rows = []
        for shared, caller in nodes.items():
            said = []
            for strategy in STRATEGIES:
                answer = bench.who(given[strategy], caller=caller)
                yield Said(f"{strategy}, {shared}", "at the other node", answer)
                said.append(answer.said)
            rows.append((shared, *said))
        yield Table("What the other node said", ("node", *STRATEGIES), tuple(rows))
        yield from _revoked(bench, given, nodes[_STORE])
    yield Verdict(
        "held",
        "session needs the store at every node, hybrid the store and the keys, jwt the keys.",
        "And session needs K: the secret with which a server knows its own handles. Two nodes of"
        " Counterfoil share the database, and in it all keys, sealed. jwt would do with"
        " the keys alone until somebody refreshes or signs out. A Verifier is no node: it needs"
        " the issuer's URL, and holds no secret.",
    )


def _started(bench: Bench) -> dict[str, Caller]:
    keys = bench.folder / "keys-shared"
    ignored = shutil.ignore_patterns(_WITNESS)
    shutil.copytree(
        bench.folder / "node" / "keys", keys / "keys", ignore=ignored, dirs_exist_ok=True
    )
    places = {_NOTHING: bench.folder / "apart", _KEYS: keys, _STORE: bench.folder / "node"}
    with ThreadPoolExecutor(len(places)) as pool:
        ports = list(pool.map(bench.node, places.values()))
    return {name: Caller(port) for name, port in zip(places, ports, strict=True)}


def _revoked(bench: Bench, given: dict[StrategyName, SignedIn], other: Caller) -> Iterator[Seen]:
    yield Chapter("Revoked at one node, asked at the other", "The two that share a store.")
    for strategy in ("session", "hybrid"):
        ended = bench.sign_out(given[strategy]).expect(200)
        answer = bench.who(given[strategy], caller=other)
        after = seconds(answer.began - ended.ended)
        if strategy == "session":
            yield Exchange(what="Sign out at the first", answer=ended)
        yield Said(strategy, f"at the other node, {after} after the answer", answer)


EXPERIMENT: Final = Experiment(
    slug="two-nodes",
    title="Two nodes",
    question="What must be shared when there are two servers?",
    does=(
        "Ann signs in at one server. Three others are asked about what she was given: one that"
        " shares nothing with the first, one that shares its keys, one that shares its store too."
    ),
    takes="about 6 seconds",
    run=run,
    reads=(("Stores", "docs/stores.md"), ("Deploying", "docs/deploying.md")),
)
