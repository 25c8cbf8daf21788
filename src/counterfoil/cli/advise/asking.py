"""The questions at a terminal, on standard error, so that a result can go into a file."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Final

import typer

from counterfoil.advice.questions import QUESTIONS, Question
from counterfoil.cli.output import say

_WIDTH: Final = 88


def asked(given: Mapping[str, str]) -> dict[str, str]:
    """These answers, and for every question that is left what somebody chooses."""
    answers = dict(given)
    left = [question for question in QUESTIONS if question.id not in answers]
    for number, question in enumerate(left, 1):
        answers[question.id] = _choice(question, f"{number} of {len(left)}")
    return answers


def _choice(question: Question, place: str) -> str:
    say(f"\n{question.text} ({place})")
    say(textwrap.fill(question.why, _WIDTH, initial_indent="  ", subsequent_indent="  "))
    for number, choice in enumerate(question.choices, 1):
        say(f"  {number}  {choice.value:<10}{choice.text}")
    by_number = {str(number): value for number, value in enumerate(question.values, 1)}
    while True:
        answer: str = typer.prompt(question.id, err=True).strip()
        if (chosen := by_number.get(answer, answer)) in question.values:
            return chosen
        say(f"Choose 1 to {len(by_number)}, or write one of the words beside them.")
