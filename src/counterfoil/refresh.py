"""Rotate, grace, reuse: what a presented handle means for its session. Pure functions.

RFC 9700 §4.14 asks that a replayed refresh token ends the grant. Taken literally that signs out
honest clients whose reply was lost or whose tabs raced, so a spent handle leads to its successor
for a grace period that runs from its own rotation and that no retry extends.
"""

from __future__ import annotations

import hmac
from enum import Enum
from typing import TYPE_CHECKING

from counterfoil import handle as handles
from counterfoil.errors import SessionUnknown
from counterfoil.lifetime import is_within

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from counterfoil.handle import Handle, HandleSecrets
    from counterfoil.session import Session


class Standing(Enum):
    """Where a handle stands in its family."""

    CURRENT = "current"
    SPENT = "spent"  # within grace: leads to the current handle
    REUSED = "reused"  # after it: ends the family


def standing(handle: Handle, session: Session, *, grace: timedelta, now: datetime) -> Standing:
    """Where this handle stands. Raises `SessionUnknown` for one that never belonged here."""
    require_member(handle, session)
    if handle.generation == session.generation:
        return Standing.CURRENT
    spent_at = _spent_at(handle.generation, session)
    if spent_at is not None and is_within(spent_at, grace, now=now):
        return Standing.SPENT
    return Standing.REUSED


def require_member(handle: Handle, session: Session) -> None:
    """Raises `SessionUnknown` for a handle that is neither the current one nor an earlier one."""
    if handle.generation > session.generation or (
        handle.generation == session.generation
        and not hmac.compare_digest(handle.digest, session.handle_digest)
    ):
        raise SessionUnknown


def current_of(spent: Handle, session: Session, *, secrets: HandleSecrets) -> Handle | None:
    """The session's current handle, if this spent one leads to it; None where a step-up came
    between, whose handle descends from no other."""
    current = handles.walk(spent, session.generation, secrets=secrets)
    return current if hmac.compare_digest(current.digest, session.handle_digest) else None


def has_room(session: Session, *, kept: int, grace: timedelta, now: datetime) -> bool:
    """Whether one more rotation would still remember every generation that is within grace."""
    return len(session.spent_at) < kept or not is_within(session.spent_at[-kept], grace, now=now)


def _spent_at(generation: int, session: Session) -> datetime | None:
    """When that generation was rotated; None when that is too long ago to be remembered."""
    place = len(session.spent_at) - (session.generation - generation)
    return session.spent_at[place] if place >= 0 else None
