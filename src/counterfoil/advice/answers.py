"""Answers as a form or flags give them: texts, until they are read here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from counterfoil.advice.questions import QUESTIONS
from counterfoil.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

ProblemCode = Literal["answer_missing", "answer_unknown", "question_unknown"]
_LONGEST: Final = 40  # of a name that is told again


class Problem(NamedTuple):
    """What is wrong with one answer. question: its id, or the name that is none."""

    question: str
    code: ProblemCode
    says: str


class AnswersRefused(Malformed):
    """Some answers are missing, or are none. `problems` has all of them, in the order of the
    questions."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(" ".join(problem.says for problem in problems))
        self.problems = problems


def read(given: Mapping[str, str]) -> dict[str, str]:
    """One answer for each question. An empty text is no answer. Raises `AnswersRefused`."""
    problems: list[Problem] = []
    for question in QUESTIONS:
        answer = given.get(question.id, "")
        choices = f"{', '.join(question.values[:-1])} or {question.values[-1]}"
        if not answer:
            says = f"Answer {question.id}: {choices}."
            problems.append(Problem(question.id, "answer_missing", says))
        elif answer not in question.values:
            says = f"Answer {question.id} with {choices}."
            problems.append(Problem(question.id, "answer_unknown", says))
    known = {question.id for question in QUESTIONS}
    for name in given:
        if name not in known:
            shown = ascii(name[:_LONGEST])
            problems.append(
                Problem(name, "question_unknown", f"Leave out {shown}: it is not asked.")
            )
    if problems:
        raise AnswersRefused(tuple(problems))
    return {question.id: given[question.id] for question in QUESTIONS}
