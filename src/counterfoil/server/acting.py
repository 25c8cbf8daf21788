"""On whose behalf the present request acts: an administrator's, whom the trail then names.

It is said once, where it was found out who asks; every event that is written later in the same
request has it, whichever part writes it and by whichever commit.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from counterfoil.events import Event
    from counterfoil.ports import Commit

BY: Final = "by"  # the member of an event's detail
_acting: ContextVar[str | None] = ContextVar("acting", default=None)


def act_for(subject: str) -> None:
    """Has the trail name this administrator, until the request is over."""
    _acting.set(subject)


def attributed(event: Event) -> Event:
    """The event, with who did it where an administrator is at work."""
    by = _acting.get()
    return event if by is None else replace(event, detail={**event.detail, BY: by})


def attributed_commit(commit: Commit) -> Commit:
    """The commit, with each of its events so."""
    if _acting.get() is None:
        return commit
    return replace(commit, events=tuple(map(attributed, commit.events)))
