from __future__ import annotations

import pytest

from counterfoil.advice.answers import AnswersRefused, Problem, read
from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.recommendation import advise

WHOLE = {question.id: question.values[0] for question in QUESTIONS}


def problems(**other: str) -> tuple[Problem, ...]:
    with pytest.raises(AnswersRefused) as refused:
        read({**WHOLE, **other})
    assert refused.value.code == "malformed"
    return refused.value.problems


def test_a_form_that_is_filled_in_is_read() -> None:
    """In the order of the questions, whatever the order of the fields."""
    assert list(read(dict(reversed(WHOLE.items())))) == [question.id for question in QUESTIONS]


def test_a_question_that_is_not_answered_is_named_with_its_choices() -> None:
    """An empty field is no answer."""
    assert problems(ban="") == (
        Problem("ban", "answer_missing", "Answer ban: now, seconds or minutes."),
    )


def test_an_answer_that_is_none_is_told_the_choices_and_not_repeated() -> None:
    """What was sent may be anything; it is not shown again."""
    (found,) = problems(ban="<script>")
    assert (found.question, found.code) == ("ban", "answer_unknown")
    assert found.says == "Answer ban with now, seconds or minutes."


def test_a_field_that_is_not_asked_for_is_refused_and_shown_harmlessly() -> None:
    """Cut short and in ASCII."""
    (found,) = problems(**{"☃" + "x" * 100: "yes"})
    assert found.code == "question_unknown"
    assert found.says.isascii()
    assert len(found.says) < 100


def test_all_that_is_wrong_is_told_at_once() -> None:
    """So that a form can show each problem at its field."""
    with pytest.raises(AnswersRefused) as refused:
        advise({"colour": "red"})
    assert [problem.question for problem in refused.value.problems] == [*WHOLE, "colour"]
