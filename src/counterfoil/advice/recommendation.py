"""Answers in, advice out: what the table of rules comes to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from counterfoil.advice.answers import read
from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.rule import Settings
from counterfoil.advice.rules import RULES
from counterfoil.advice.setup import Setup, keeps, setup
from counterfoil.lifetime import NOTHING, seconds_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from counterfoil.advice.rule import Chosen, Does, Rule
    from counterfoil.advice.sources import Source
    from counterfoil.client import Client, StrategyName

TITLES: Final[dict[StrategyName, str]] = {
    "session": "an opaque handle, and a record that each check reads",
    "hybrid": "a signed token, and one bit that can be turned over",
    "jwt": "a signed token, and nothing behind it",
}


class Said(NamedTuple):
    """What one rule says, and where it is from."""

    rule: str
    text: str
    sources: tuple[Source, ...]


class Turn(NamedTuple):
    """One other answer that would change the strategy."""

    question: str
    answer: str
    strategy: StrategyName


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """All that a page or a terminal shows.

    sentence: for a colleague. effective_within: L at Counterfoil verifiers, elsewhere_within at
    those that know only JWTs. conflicts: what was asked for and cannot be had. turns: what other
    answer would have led to another strategy.
    """

    answers: Mapping[str, str]
    strategy: StrategyName
    title: str
    sentence: str
    reasons: tuple[Said, ...]
    settings: tuple[Said, ...]
    costs: tuple[Said, ...]
    conflicts: tuple[Said, ...]
    notes: tuple[Said, ...]
    effective_within: timedelta
    elsewhere_within: timedelta
    has_store: bool
    setup: Setup
    turns: tuple[Turn, ...]

    @property
    def bites(self) -> str:
        """How soon a ban is felt, as the end of a sentence about one."""
        if self.strategy == "session":
            return "bites at once: whoever checks reads the record, or asks the issuer."
        soon = f"bites within {seconds_up(self.effective_within)} s"
        if self.strategy == "jwt":
            return f"{soon}, when the token expires."
        if self.answers["verifiers"] != "foreign":
            return f"{soon}, mostly in milliseconds."
        return (
            f"{soon} at each Counterfoil verifier, mostly in milliseconds, and within"
            f" {seconds_up(self.elsewhere_within)} s at those that know only JWTs."
        )

    @property
    def command(self) -> str:
        """What asks for this advice once more, at a terminal."""
        flags = (f"--{question} {answer}" for question, answer in self.answers.items())
        return " ".join(("counterfoil advise", *flags))

    def as_json(self) -> dict[str, Any]:
        return {
            "answers": dict(self.answers),
            "strategy": self.strategy,
            "title": self.title,
            "sentence": self.sentence,
            **{name: [_as_json(said) for said in getattr(self, name)] for name in _SAID},
            "effective_within_seconds": seconds_up(self.effective_within),
            "elsewhere_within_seconds": seconds_up(self.elsewhere_within),
            "has_store": self.has_store,
            "commands": list(self.setup.commands),
            "python": self.setup.python,
            "verifying": self.setup.verifying,
            "turns": [turn._asdict() for turn in self.turns],
        }


_SAID: Final = ("reasons", "settings", "costs", "conflicts", "notes")


def advise(given: Mapping[str, str]) -> Advice:
    """What to use for these answers, one text for each question. Raises `AnswersRefused`."""
    answers = read(given)
    chooses, chosen = _choice(answers)
    fitting = [rule for rule in RULES if rule.fits({**answers, "strategy": chosen.strategy})]
    settings, setting = _settings(fitting)
    made = setup(chosen.strategy, settings, answers)
    return Advice(
        answers=answers,
        strategy=chosen.strategy,
        title=TITLES[chosen.strategy],
        sentence=chosen.sentence,
        reasons=(_said(chooses),),
        settings=tuple(map(_said, setting)),
        costs=_of("costs", fitting),
        conflicts=_of("conflicts", fitting),
        notes=_of("notes", fitting),
        effective_within=_lag(made.clients[0]),
        elsewhere_within=made.clients[0].lifetime.access if made.clients[0].signs else NOTHING,
        has_store=keeps(chosen.strategy, answers),
        setup=made,
        turns=tuple(_turns(answers, chosen.strategy)),
    )


def _choice(answers: Mapping[str, str]) -> tuple[Rule, Chosen]:
    return next(
        (rule, rule.chosen) for rule in RULES if rule.chosen is not None and rule.fits(answers)
    )


def _settings(fitting: list[Rule]) -> tuple[Settings, list[Rule]]:
    """For each setting the first that is given, and the rules that gave them."""
    found: dict[str, Any] = {}
    gave: list[Rule] = []
    for rule in fitting:
        new = {
            each.name: value
            for each in fields(Settings)
            if (value := getattr(rule.settings, each.name)) is not None and each.name not in found
        }
        found |= new
        gave += [rule] if new else []
    return Settings(**found), gave


def _lag(client: Client) -> timedelta:
    if client.strategy == "session":
        return NOTHING
    return client.max_staleness if client.strategy == "hybrid" else client.lifetime.access


def _turns(answers: Mapping[str, str], strategy: StrategyName) -> Iterator[Turn]:
    for question in QUESTIONS:
        for value in question.values:
            _, other = _choice({**answers, question.id: value})
            if other.strategy != strategy:
                yield Turn(question.id, value, other.strategy)


def _of(does: Does, fitting: list[Rule]) -> tuple[Said, ...]:
    return tuple(_said(rule) for rule in fitting if rule.does == does)


def _said(rule: Rule) -> Said:
    return Said(rule.id, rule.because, rule.sources)


def _as_json(said: Said) -> dict[str, Any]:
    return {
        "rule": said.rule,
        "text": said.text,
        "sources": [source._asdict() for source in said.sources],
    }
