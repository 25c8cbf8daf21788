from __future__ import annotations

import json
from inspect import signature
from typing import TYPE_CHECKING, Final

from counterfoil.advice.questions import QUESTIONS
from counterfoil.cli.advise.command import advise

if TYPE_CHECKING:
    from cli.terminal import Terminal

MESH: Final = {
    "people": "programs",
    "verifiers": "ours",
    "services": "many",
    "ban": "seconds",
    "offline": "no",
    "rate": "thousands",
    "claims": "small",
    "store": "shared",
}
FLAGS: Final = [part for name, value in MESH.items() for part in (f"--{name}", value)]


def test_there_is_a_flag_for_each_question() -> None:
    """By the question's own name, so that a form's field and a flag are one word."""
    asked = [question.id for question in QUESTIONS]
    assert list(signature(advise).parameters) == [*asked, "as_json"]


def test_flags_alone_give_the_whole_advice(terminal: Terminal) -> None:
    """The strategy, the sentence, why, what it costs, what to paste, and what would change it."""
    said = terminal("advise", *FLAGS)
    assert (said.code, said.err) == (0, "")
    assert "hybrid: a signed token, and one bit that can be turned over" in said.out
    for words in ("because", "it costs", "bites within 10 s", "docs/performance.md#the-feed"):
        assert words in said.out
    assert (
        "\ncounterfoil clients add program --strategy hybrid --carrier bearer --max-staleness 10s\n"
        in said.out
    )
    assert '\nverifier = Verifier(issuer="https://app.example", audience="program")\n' in said.out
    assert "session    --ban now" in said.out


def test_a_session_is_not_said_to_be_known_to_who_knows_only_jwts(terminal: Terminal) -> None:
    """Nobody checks a handle but who reads the record or asks."""
    said = terminal("advise", *FLAGS, "--ban", "now")
    assert "bites at once: whoever checks reads the record, or asks the issuer." in said.out
    assert "know only JWTs" not in said.out


def test_programs_are_answered_in_json(terminal: Terminal) -> None:
    """With the answers that it rests on."""
    said = terminal("advise", *FLAGS, "--json")
    assert said.code == 0
    told = json.loads(said.out)
    assert told["strategy"] == "hybrid"
    assert told["answers"] == MESH


def test_what_is_missing_is_told_where_nobody_can_be_asked(terminal: Terminal) -> None:
    """One line for each, with its choices; what is no answer too."""
    said = terminal("advise", *FLAGS[2:-2], "--ban", "tomorrow")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "Answer people: browser, mobile, both or programs.",
        "Answer ban with now, seconds or minutes.",
        "Answer store: none, file or shared.",
    ]


def test_at_a_terminal_only_what_is_left_is_asked(terminal: Terminal) -> None:
    """By number or by word; what is neither is asked again."""
    keys = [("people:", "9\n"), ("Choose 1 to 4", "4\n"), ("store:", "shared\n")]
    said = terminal.typing("advise", *FLAGS[2:-2], keys=keys)
    assert said.code == 0, said
    assert "What is signed in? (1 of 2)" in said.out
    assert "What can keep the records? (2 of 2)" in said.out
    assert "in browsers" in said.out
    assert "How soon" not in said.out
    assert "hybrid: a signed token" in said.out


def test_a_flag_that_is_no_answer_is_told_before_anything_is_asked(terminal: Terminal) -> None:
    """Nobody answers seven questions for nothing."""
    said = terminal.typing("advise", "--ban", "tomorrow", keys=[])
    assert said.code == 2
    assert said.out.strip() == "Answer ban with now, seconds or minutes."
