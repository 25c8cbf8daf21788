from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from counterfoil.advice import sources
from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.rules import RULES
from counterfoil.advice.sources import Source

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = {name: each for name, each in vars(sources).items() if isinstance(each, Source)}


def headings(page: Path) -> set[str]:
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_every_rule_has_a_name_of_its_own_and_a_source() -> None:
    """One sentence at least says why."""
    names = [rule.id for rule in RULES]
    assert len(set(names)) == len(names)
    assert [rule.id for rule in RULES if not rule.sources or not rule.because.endswith(".")] == []


def test_a_rule_names_only_questions_and_choices_that_there_are() -> None:
    """`strategy` counts as a question once it is chosen, so no rule that chooses names it."""
    known = {question.id: set(question.values) for question in QUESTIONS}
    known["strategy"] = {"session", "hybrid", "jwt"}
    for rule in RULES:
        for name, choices in rule.when.items():
            assert set(choices.split()) <= known[name], rule.id
        assert not (rule.chosen and "strategy" in rule.when), rule.id


def test_the_last_rule_that_chooses_fits_everybody() -> None:
    """Nobody leaves without advice."""
    assert [rule for rule in RULES if rule.chosen][-1].when == {}


def test_every_source_is_cited_and_every_page_is_there() -> None:
    """A page of this project is there with the heading that is named; the others are https."""
    cited = {source for rule in RULES for source in rule.sources}
    assert {name for name, source in SOURCES.items() if source not in cited} == set()
    for source in cited:
        if source.place.startswith("docs/"):
            page, _, heading = source.place.partition("#")
            assert (ROOT / page).is_file(), source
            assert not heading or heading in headings(ROOT / page), source
        else:
            assert source.place.startswith("https://"), source


def test_what_is_said_to_be_measured_stands_on_the_page_that_is_cited() -> None:
    """33 µs is four times the 8.35 µs of a bare SELECT, 0.3 ms a look-up in PostgreSQL: 1.66 times
    188 µs, and a request 0.25 ms: seven times 36.6 µs."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for figure in (
        "3.91",
        "8.35 µs",
        "188 µs",
        "1.66",
        "6.86",
        "36.6 µs",
        "655",
        "553",
        "700 of them",
    ):
        assert figure in page, figure


def test_the_rules_need_nothing_and_nothing_needs_them() -> None:
    """`import counterfoil` does not load them; they load the standard library alone."""
    for statement, loads in (("counterfoil", False), ("counterfoil.advice.recommendation", True)):
        program = f"import {statement}, sys; print(*sys.modules)"
        told = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, text=True
        )
        names = set(told.stdout.split())
        assert ("counterfoil.advice" in names) is loads
        assert not names & {"joserfc", "sqlite3", "http.client", "typer", "socket"}
