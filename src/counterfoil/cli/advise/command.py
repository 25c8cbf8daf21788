"""`counterfoil advise`: eight answers, by flags or asked for, and what follows from them."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from counterfoil.advice.questions import QUESTIONS
from counterfoil.cli.options import AsJson
from counterfoil.cli.output import tell_json
from counterfoil.errors import ConfigurationError

_ASKED: Final = {question.id: question for question in QUESTIONS}


def _answer(name: str) -> Any:
    question = _ASKED[name]
    return typer.Option(
        f"--{name}", metavar="|".join(question.values), help=question.text, show_default=False
    )


Answer = str | None


def advise(
    *,
    people: Annotated[Answer, _answer("people")] = None,
    verifiers: Annotated[Answer, _answer("verifiers")] = None,
    services: Annotated[Answer, _answer("services")] = None,
    ban: Annotated[Answer, _answer("ban")] = None,
    offline: Annotated[Answer, _answer("offline")] = None,
    rate: Annotated[Answer, _answer("rate")] = None,
    claims: Annotated[Answer, _answer("claims")] = None,
    store: Annotated[Answer, _answer("store")] = None,
    as_json: AsJson = False,
) -> None:
    """Sessions or JWT, and when: a recommendation, its reasons, its price, settings to paste.

    What no flag answers is asked at a terminal. Nothing is read, started or changed.
    """
    # Late: every other command starts without it.
    from counterfoil.advice import recommendation
    from counterfoil.advice.answers import AnswersRefused, read
    from counterfoil.cli.advise.asking import asked
    from counterfoil.cli.advise.telling import told

    flags = {
        "people": people,
        "verifiers": verifiers,
        "services": services,
        "ban": ban,
        "offline": offline,
        "rate": rate,
        "claims": claims,
        "store": store,
    }
    given = {name: answer for name, answer in flags.items() if answer is not None}
    try:
        if sys.stdin.isatty():
            # A flag that is no answer is told before anything is asked.
            first = {question.id: question.values[0] for question in QUESTIONS}
            read({**first, **given})
            given = asked(given)
        advice = recommendation.advise(given)
    except AnswersRefused as why:
        lines = "\n".join(problem.says for problem in why.problems)
        raise ConfigurationError(lines) from None
    if as_json:
        tell_json(advice.as_json())
    else:
        told(advice)
