"""How long something is still accepted: tried again and again, until it is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.seen import counted, seconds

if TYPE_CHECKING:
    from counterfoil.server.lab.calling import Answer

PAUSE: Final = 0.02
LONGER: Final = 2.0  # how long after its bound something is still tried, seconds

Ask = Callable[[], "Answer"]


@dataclass(slots=True)
class Outlived:
    """What one place made of it, in seconds from the moment that counts. last_accepted: when the
    last request that was accepted began, 0 if none was; refused: the first one that was not, and
    when that began."""

    accepted: int = 0
    last_accepted: float = 0.0
    first_refused: float = 0.0
    refused: Answer | None = field(default=None, repr=False)

    @property
    def lived_on(self) -> str:
        """For how long, in words."""
        return seconds(self.last_accepted) if self.accepted else "not at all"

    @property
    def answer(self) -> Answer:
        """The refusal. Raises `NotAsSaid` while there is none."""
        if self.refused is None:
            raise NotAsSaid("It was not refused yet.")
        return self.refused

    @property
    def way(self) -> str:
        """What came before the refusal, in words."""
        if not self.accepted:
            return "refused at the first try"
        return f"accepted {counted(self.accepted, 'time')} more, then refused"


def until_refused(
    asked: Mapping[str, Ask], *, since: float, promised: float
) -> Iterator[tuple[str, Outlived]]:
    """Asks each place in turn until it refuses, and gives it then. Raises `NotAsSaid` for one that
    accepts well past what was promised."""
    found = {name: Outlived() for name in asked}
    while waiting := [name for name in asked if found[name].refused is None]:
        for name in waiting:
            answer, one = asked[name](), found[name]
            at = answer.began - since
            if answer.status != HTTPStatus.OK:
                one.first_refused, one.refused = at, answer
                yield name, one
                continue
            one.accepted, one.last_accepted = one.accepted + 1, at
            if at > promised + LONGER:
                raise NotAsSaid(
                    f"{name} still accepts it after {at:.1f} s; the promise was {promised:.0f} s."
                )
        time.sleep(PAUSE)
