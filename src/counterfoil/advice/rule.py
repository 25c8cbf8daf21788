"""One row of the table of rules, and the words in which rows are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from counterfoil.advice.sources import Source
    from counterfoil.client import StrategyName

Does = Literal["chooses", "sets", "costs", "conflicts", "notes"]


class Chosen(NamedTuple):
    """A strategy, and the sentence that one would say to a colleague."""

    strategy: StrategyName
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a row may set. keys_max_age: of verifiers, not of the client."""

    access: timedelta | None = None
    max_staleness: timedelta | None = None
    keys_max_age: timedelta | None = None
    manage: bool | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. when: for each question the choices that fit, with spaces between them."""

    id: str
    does: Does
    when: Mapping[str, str]
    because: str
    sources: tuple[Source, ...]
    chosen: Chosen | None = None
    settings: Settings = field(default_factory=Settings)

    def fits(self, answers: Mapping[str, str]) -> bool:
        """Whether every answer that it names is among those that it names for it."""
        return all(answers.get(name) in choices.split() for name, choices in self.when.items())


def when(**answers: str) -> Mapping[str, str]:
    return answers


def chooses(
    name: str, fits: Mapping[str, str], chosen: Chosen, because: str, *sources: Source
) -> Rule:
    return Rule(name, "chooses", fits, because, sources, chosen)


def sets(
    name: str, fits: Mapping[str, str], settings: Settings, because: str, *sources: Source
) -> Rule:
    return Rule(name, "sets", fits, because, sources, settings=settings)


def says(name: str, does: Does, fits: Mapping[str, str], because: str, *sources: Source) -> Rule:
    return Rule(name, does, fits, because, sources)
