"""Forms that were refused: what is wrong, and in which fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from counterfoil.errors import Malformed
from counterfoil.integrations.problem import problem
from counterfoil.server.pages import refusals
from counterfoil.server.pages.answers import Answer
from counterfoil.server.pages.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.errors import CounterfoilError

    Kind = type[CounterfoilError]

_MISSING: Final = Refusal("Something is missing.", "Fill in what is marked.")


class Missing(Malformed):
    """Fields were left empty."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__()
        self.fields = fields


class Wrong(NamedTuple):
    """title and text: for the summary. fields: those to look at, the first one first."""

    title: str
    text: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """fields: which ones an error of that kind is about. titles: where the kind's own words say
    too little here."""

    template: str
    fields: Mapping[Kind, tuple[str, ...]]
    titles: Mapping[Kind, str] = field(default_factory=dict)

    def refused(self, error: CounterfoilError, values: Mapping[str, Any], note: str = "") -> Answer:
        """The form once more, with the status that the API gives the error. note: what else there
        is to know."""
        wrong = self._wrong(error)
        return Answer(
            template=self.template,
            status=problem(error).status,
            headers=refusals.headers(error),
            values={**values, "wrong": wrong._replace(text=f"{note} {wrong.text}".strip())},
            code=error.code,
        )

    def _wrong(self, error: CounterfoilError) -> Wrong:
        if isinstance(error, Missing):
            return Wrong(*_MISSING, error.fields)
        title, text = refusals.refusal(error)
        kind = type(error)
        return Wrong(self.titles.get(kind, title), text, self.fields.get(kind, ()))


def require_filled(sent: Mapping[str, str]) -> None:
    """Raises `Missing`."""
    empty = tuple(name for name, text in sent.items() if not text)
    if empty:
        raise Missing(empty)
