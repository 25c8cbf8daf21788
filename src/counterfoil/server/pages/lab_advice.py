"""`/lab/advice`: eight questions, and what follows from the answers.

Its address holds the answers, so a recommendation can be kept, sent on, and changed by one answer.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup, escape

from counterfoil.advice.answers import AnswersRefused
from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.recommendation import Advice, advise
from counterfoil.server.pages.answers import Answer
from counterfoil.server.pages.forms import Wrong
from counterfoil.server.urlencoded import parse

if TYPE_CHECKING:
    from starlette.requests import Request

    from counterfoil.client import StrategyName
    from counterfoil.server.api.context import Context

_PARTS: Final = (
    ("Because", "reasons"),
    ("What cannot be had", "conflicts"),
    ("What it costs", "costs"),
    ("What to set", "settings"),
    ("What else to know", "notes"),
)
_CODE: Final = re.compile("`([^`]+)`")
_ASKED: Final = {question.id: question for question in QUESTIONS}


class Elsewhere(NamedTuple):
    """One other answer, and where it leads. query: all answers, with this one in them."""

    question: str
    answer: str
    strategy: StrategyName
    query: str


async def show(request: Request, parts: Context) -> Answer:
    """The questions, and the advice where the address has answers; what others add to an address
    that is sent on is passed over. Raises `Malformed`."""
    del parts
    sent = parse(request.scope["query_string"])
    given = {name: text for name, text in sent.items() if name in _ASKED}
    if not given:
        return _answer(given)
    try:
        return _answer(given, advice=advise(given))
    except AnswersRefused as refused:
        return _answer(given, wrong=_wrong(refused))


def _wrong(refused: AnswersRefused) -> Wrong:
    """What the command says of flags, as a page says it."""
    fields = tuple(each.question for each in refused.problems)
    left = " ".join(_ASKED[name].text for name in fields)
    return Wrong("Choose one answer to each question.", f"Left: {left}", fields)


def _answer(
    given: dict[str, str], *, advice: Advice | None = None, wrong: Wrong | None = None
) -> Answer:
    return Answer(
        template="lab_advice.html",
        values={
            "questions": QUESTIONS,
            "given": given,
            "advice": advice,
            "wrong": wrong,
            "parts": _PARTS,
            "coded": _coded,
            "elsewhere": _elsewhere(advice) if advice else (),
        },
        status=HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        code=AnswersRefused.code if wrong else None,
    )


def _elsewhere(advice: Advice) -> list[Elsewhere]:
    return [
        Elsewhere(
            _ASKED[turn.question].text,
            _ASKED[turn.question].text_of(turn.answer),
            turn.strategy,
            urlencode({**advice.answers, turn.question: turn.answer}),
        )
        for turn in advice.turns
    ]


def _coded(text: str) -> Markup:
    """Text of the rules, which sets what one types between backticks."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just now
