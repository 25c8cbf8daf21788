"""How much is measured: the whole, in about a minute, or less of everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """requests: timed at the issuer, of each strategy. checks: at a verifier, of a token that it
    knows. new_tokens: that it sees for the first time. asked: requests to the issuer by `confirm`.
    rounds: revocations. max_staleness: of hybrid. access: of the jwt that is waited for. sizes:
    numbers of sessions, as far as filling a store takes no longer than filling."""

    requests: int
    checks: int
    new_tokens: int
    asked: int
    rounds: int
    max_staleness: timedelta
    access: timedelta
    sizes: tuple[int, ...]
    filling: float


FULL: Final = Depth(
    requests=3000,
    checks=20_000,
    new_tokens=300,
    asked=300,
    rounds=30,
    max_staleness=timedelta(seconds=10),
    access=timedelta(seconds=8),
    sizes=(1_000, 10_000, 100_000, 1_000_000),
    filling=25.0,
)
QUICK: Final = Depth(
    requests=300,
    checks=2_000,
    new_tokens=50,
    asked=40,
    rounds=5,
    max_staleness=timedelta(seconds=1),
    access=timedelta(seconds=4),
    sizes=(1_000, 3_000, 1_000_000),
    filling=1.0,
)
