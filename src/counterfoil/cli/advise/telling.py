"""Advice as people read it at a terminal. What is there to be pasted is neither wrapped nor cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from counterfoil.advice.recommendation import Advice, Said
from counterfoil.advice.sources import Source
from counterfoil.cli.demo.stage import Stage
from counterfoil.cli.output import tell


def told(advice: Advice) -> None:
    """The whole of it, on standard output."""
    stage = Stage.standing(quiet=False)
    stage.chapter(f"{advice.strategy}: {advice.title}", advice.sentence)
    _told(stage, "because", advice.reasons)
    _told(stage, "but", advice.conflicts)
    _told(stage, "it costs", advice.costs)
    stage.step("a ban", advice.bites)
    _told(stage, "set so", advice.settings)
    _told(stage, "know", advice.notes)
    _pasted(stage, advice)
    _turns(stage, advice)


def _told(stage: Stage, name: str, said: Sequence[Said]) -> None:
    for number, each in enumerate(said):
        cited = "; ".join(map(_cited, each.sources))
        stage.step(name if number == 0 else "", f"{each.text} [{cited}]")


def _cited(source: Source) -> str:
    return source.place if source.place.startswith("docs/") else source.name


def _pasted(stage: Stage, advice: Advice) -> None:
    stage.chapter("To paste, with counterfoil serve")
    for command in advice.setup.commands:
        tell(command)
    stage.chapter("To paste, in your own application")
    tell(advice.setup.python.rstrip())
    if advice.setup.verifying:
        stage.chapter("To paste, in a service that checks")
        tell(advice.setup.verifying.rstrip())


def _turns(stage: Stage, advice: Advice) -> None:
    """What other answer would have led elsewhere: the edges of the advice."""
    stage.chapter("It would be another one with")
    if not advice.turns:
        stage.say("None of the answers alone.")
    turns = sorted(advice.turns, key=attrgetter("strategy"))
    for strategy, group in groupby(turns, attrgetter("strategy")):
        flags = ", ".join(f"--{turn.question} {turn.answer}" for turn in group)
        stage.step(strategy, flags)
