"""Verifiers: who follows the feed, how far each has come, and how old its knowledge is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.lifetime import remaining
from counterfoil.server.pages.console.entry import administered, page
from counterfoil.server.verifiers.register import longest_staleness

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.server.pages.answers import Answer
    from counterfoil.server.pages.visit import Person, Visit
    from counterfoil.server.tables.verifiers import Followers, NamedVerifier

PLACE: Final = "/admin/verifiers"
WIDE: Final = 100
_MOST_SHOWN: Final = 200
_NEAR: Final = 0.6  # of the bound; a verifier asks after a third of it at the latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """age: since it asked last, in seconds. behind: how many changes it lacks; None where that is
    not known. width: the age as a share of the bound, in percent, for the chart."""

    verifier: NamedVerifier
    age: float
    behind: int | None
    width: float
    is_near: bool
    is_past: bool


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """Those with a name, the oldest knowledge first."""
    found = await visit.parts.verifiers.followers()
    bound = longest_staleness(visit.parts.clients)
    all_of_them = standings(found, bound, now=visit.now)
    values = {
        "standings": all_of_them[:_MOST_SHOWN],
        "more": max(0, len(all_of_them) - _MOST_SHOWN),
        "anonymous": found.anonymous,
        "position": found.position,
        "bound": bound.total_seconds(),
    }
    return page(visit, "verifiers.html", values)


def standings(found: Followers, bound: timedelta, *, now: datetime) -> list[Standing]:
    """How each one stands against the bound, the oldest first."""
    each = [_standing(verifier, found, bound, now) for verifier in found.named]
    return sorted(each, key=lambda standing: -standing.age)


def _standing(
    verifier: NamedVerifier, found: Followers, bound: timedelta, now: datetime
) -> Standing:
    age = remaining(now, now=verifier.seen_at)
    share = age / bound
    come, position = verifier.position, found.position
    knows = come is not None and come.epoch == position.epoch
    return Standing(
        verifier=verifier,
        age=age.total_seconds(),
        behind=max(0, position.number - come.number) if knows and come is not None else None,
        width=round(min(1.0, share) * WIDE, 1),
        is_near=share >= _NEAR,
        is_past=share >= 1,
    )
