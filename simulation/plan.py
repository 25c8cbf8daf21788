"""A scenario as data: what it is made of, and what is done and goes wrong in it, and when.

It follows from its seed alone, before anything runs. So it can be shown, run again, and made
smaller by leaving items out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Item:
    """At this moment, do this with these."""

    at: float
    what: str
    given: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={_shown(value)}" for name, value in self.given.items())
        return f"{self.at:9.3f}  {self.what}({given})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """max_staleness: of the client `api`; longer: of `batch`. tighter: of each verifier, None
    where it takes the issuer's. rates, ahead: of every machine's clocks, nodes first. ends: when
    everything is healed."""

    nodes: int
    verifiers: int
    slots: int
    subjects: int
    max_staleness: float
    longer: float
    access: float
    tighter: tuple[float | None, ...]
    rates: tuple[float, ...]
    ahead: tuple[float, ...]
    ends: float

    @property
    def longest(self) -> float:
        return max(self.max_staleness, self.longer)


@dataclass(frozen=True, slots=True)
class Plan:
    """seed: also of every chance that is taken while it runs."""

    seed: int
    settings: Settings
    items: tuple[Item, ...]

    def with_items(self, items: tuple[Item, ...]) -> Plan:
        return Plan(self.seed, self.settings, items)


def _shown(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
