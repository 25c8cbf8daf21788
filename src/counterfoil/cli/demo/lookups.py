"""What the server read from its store, as the server itself counted it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from counterfoil.cli.demo.caller import Caller

_COUNTED: Final = re.compile(
    r'^counterfoil_store_calls_total\{[^}]*\bcall="(\w+)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE
)
# The server follows its own store for all checks together, whether any come or not.
FOLLOWING: Final = frozenset({"feed", "sweep"})


@dataclass(frozen=True, slots=True)
class LookUps:
    """What was read during a number of checks: for them, and by the server besides."""

    checks: int
    calls: dict[str, int]

    @property
    def per_check(self) -> float:
        return sum(self.calls.values()) / self.checks


def counted(call: Caller) -> Counter[str] | None:
    """Calls of the store so far, by name; None where the server does not count them."""
    reply = call("GET", "/metrics")
    if reply.status != HTTPStatus.OK or not isinstance(reply.body, str):
        return None
    found: Counter[str] = Counter()
    for name, number in _COUNTED.findall(reply.body):
        found[name] += int(float(number))
    return found


def between(
    before: Counter[str] | None, after: Counter[str] | None, *, checks: int
) -> LookUps | None:
    """None where nothing was counted: then nothing is said."""
    if not after or before is None:
        return None
    calls = {name: after[name] - before[name] for name in after if name not in FOLLOWING}
    return LookUps(checks, {name: number for name, number in calls.items() if number})
