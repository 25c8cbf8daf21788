"""One change of one status entry, how it is computed, and where it stands in the feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from counterfoil.session import Session
    from counterfoil.status_list import StatusList
    from counterfoil.subject import SubjectState

Status = Literal[0, 1, 2, 3]

# draft-ietf-oauth-status-list §7.1; 3 is one of the values left to applications.
VALID: Final = 0
INVALID: Final = 1
SUSPENDED: Final = 2
CLAIMS_STALE: Final = 3


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader of the feed has come: numbers are gap-free within an epoch.

    An epoch is its store's name, which stays, and after each restore that was declared a number
    that is higher than all before and something random: `name-number-random`.
    """

    epoch: str
    number: int

    @property
    def store(self) -> str:
        return self.epoch.partition("-")[0]

    def is_behind(self, reached: Position) -> bool:
        """Whether a store that says this is older than it once was, when it had come to `reached`.
        Positions of different stores say nothing about each other."""
        if self.epoch == reached.epoch:
            return self.number < reached.number
        return self.store == reached.store and _place(self.epoch) <= _place(reached.epoch)


def following_epoch(position: Position, reached: Position, *, now: datetime, chance: str) -> str:
    """The epoch to begin where this one was put back: it follows those of both positions, and any
    that was begun before, unless the clock was behind then. chance: something random."""
    place = max(_place(position.epoch), _place(reached.epoch)) + 1
    return f"{position.store}-{max(place, int(now.timestamp()))}-{chance}"


def _place(epoch: str) -> int:
    """Where an epoch stands among those of its store."""
    _, _, rest = epoch.partition("-")
    place = rest.partition("-")[0]
    return int(place) if place.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The entry at `index` of `list_id` now says `status`; applying it twice is harmless."""

    list_id: str
    index: int
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRead:
    """One read of the feed: the changes after `after` up to `position`, in order, and the whole
    directory of lists. `after` is None when it starts from nothing. `at`: the issuer's wall time
    when it was read, which is compared with the issuer's other moments alone. copied_at: when the
    store was copied, if it is a backup that was put in place and not declared."""

    after: Position | None
    position: Position
    at: datetime
    lists: tuple[StatusList, ...]
    changes: tuple[StatusChange, ...]
    copied_at: datetime | None = None


def status_of(session: Session, subject: SubjectState, claims_version: int) -> Status:
    """The status of an index, from the facts: never toggled, so reinstating revives nothing."""
    if session.ended_at is not None:
        return INVALID
    if subject.is_suspended:
        return SUSPENDED
    return CLAIMS_STALE if claims_version < subject.claims_version else VALID


def changes_between(
    before: tuple[Session, SubjectState], after: tuple[Session, SubjectState]
) -> Iterator[StatusChange]:
    """What a commit that turns the one into the other changes, for every index that is remembered:
    which of them a living token could name is not for this machine's clock to say."""
    for index in after[0].indices:
        status = status_of(*after, index.claims_version)
        if status != status_of(*before, index.claims_version):
            yield StatusChange(index.list_id, index.index, status)


def changes_of_subject(
    sessions: Iterable[Session], before: SubjectState, after: SubjectState
) -> tuple[StatusChange, ...]:
    """What a change of the subject alone changes, over all sessions of theirs."""
    return tuple(
        change
        for session in sessions
        for change in changes_between((session, before), (session, after))
    )
