"""docs/choosing.md shows the questions and the rules as they are in the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.advice.rule import Rule
    from counterfoil.advice.sources import Source

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "choosing.md"


def questions() -> Iterator[str]:
    yield "| question | answers | why it is asked |"
    yield "|---|---|---|"
    for question in QUESTIONS:
        choices = "<br>".join(f"`{each.value}` {each.text}" for each in question.choices)
        yield f"| `{question.id}`: {question.text} | {choices} | {question.why} |"


def rules() -> Iterator[str]:
    yield "| rule | when | gives | because | from |"
    yield "|---|---|---|---|---|"
    for rule in RULES:
        named = (f"{name} {choices.replace(' ', ' or ')}" for name, choices in rule.when.items())
        when = ", ".join(named) or "otherwise"
        cited = " · ".join(map(linked, rule.sources))
        yield f"| `{rule.id}` | {when} | {gives(rule)} | {rule.because} | {cited} |"


def gives(rule: Rule) -> str:
    if rule.chosen:
        return f"`{rule.chosen.strategy}`"
    if rule.does != "sets":
        return {"costs": "a cost", "conflicts": "a conflict", "notes": "a note"}[rule.does]
    values = ((each.name, getattr(rule.settings, each.name)) for each in fields(rule.settings))
    return ", ".join(f"`{name}` {spelled(value)}" for name, value in values if value is not None)


def spelled(value: Any) -> str:
    return "yes" if value is True else f"{value.total_seconds():g} s"


def linked(source: Source) -> str:
    return f"[{source.name}]({source.place.removeprefix('docs/')})"


def test_the_page_has_every_question() -> None:
    """With its answers, and why it is asked."""
    assert "\n".join(questions()) in PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_table_of_rules() -> None:
    """Row for row, in its order, with sources that lead somewhere."""
    assert "\n".join(rules()) in PAGE.read_text(encoding="utf-8")
