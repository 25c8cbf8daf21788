"""Bugs of those who issue, and of the store: what they say, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from counterfoil import opening, status_change, status_feed
from counterfoil.feeds import published, pump
from counterfoil.feeds.witness import Witness
from counterfoil.session import Session
from counterfoil.status_change import VALID, Position, StatusChange
from counterfoil.stores.memory import MemoryStore
from simulation.node import TimedFeed
from simulation.planted.patching import replaced
from simulation.primary import NodeStore
from simulation.records import SmallLists

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack

    from counterfoil.ports import Commit
    from counterfoil.status_change import FeedRead
    from counterfoil.status_feed import Question


def over_a_gap(patches: ExitStack) -> None:
    def shared(original: Any) -> Any:
        def read_for(question: Question, read: FeedRead) -> FeedRead | None:
            position = question.position
            is_same = position is not None and position.epoch == read.position.epoch
            if is_same and position != read.position and read.after is not None:
                return read
            found: FeedRead | None = original(question, read)
            return found

        return read_for

    replaced(patches, pump, "_read_for", shared)
    replaced(patches, status_feed, "_after", continues_always)


def numbers_of_a_sequence(patches: ExitStack) -> None:
    """A number is drawn when a commit begins, and seen when it is done."""

    def sent(_: Any) -> Any:
        async def commit(self: NodeStore, commit: Commit) -> bool:
            primary: Any = self.primary
            drawn = max(getattr(primary, "drawn", 0), primary.store._number)
            primary.drawn = drawn + (len(commit.changes) or commit.moves_feed)
            done: bool = await self._ask("commit", commit, drawn)
            return done

        return commit

    def written(_: Any) -> Any:
        async def commit(self: SmallLists, commit: Commit, drawn: int) -> bool:
            bare = replace(commit, changes=(), moves_feed=False)
            if not await MemoryStore.commit(self, bare):
                return False
            self._changes.update(enumerate(commit.changes, start=drawn + 1))
            moved = len(commit.changes) or commit.moves_feed
            if moved:
                self._number = max(self._number, drawn + moved)
            return True

        return commit

    replaced(patches, NodeStore, "commit", sent)
    replaced(patches, SmallLists, "commit", written)


def reads_from_before(patches: ExitStack) -> None:
    """A node's read counts from its end: also for what was asked while it was under way."""

    def made(original: Any) -> Any:
        def take(self: TimedFeed, read: FeedRead, *, put: Any, **_: Any) -> None:
            clock = self.read_clock
            original(self, read, began=clock.uptime(), at=clock.now(), put=put)

        return take

    replaced(patches, TimedFeed, "take", made)
    unwitnessed(patches)


def unwitnessed(patches: ExitStack) -> None:
    """What other nodes have noted with the keys would give away a read that is too old."""

    def made(_: Any) -> Any:
        return lambda self, after, *, now: self._read(after, now)

    replaced(patches, Witness, "read", made)


def indices_again(patches: ExitStack) -> None:
    def made(original: Any) -> Any:
        async def reserve(self: SmallLists, issuing: Any, *, count: int, now: Any) -> Any:
            block = await original(self, issuing, count=count, now=now)
            self._lists[block.list.id].next = 0
            return block

        return reserve

    replaced(patches, SmallLists, "reserve", made)


def stale_to_valid(patches: ExitStack) -> None:
    """A refresh keeps the session's index, and says that it is valid again."""

    def current(_: Any) -> Any:
        def current_index(self: Session, list_id: str | None) -> Any:
            found = (index for index in self.indices if index.list_id == list_id)
            index = next(found, None)
            return None if index is None else replace(index, claims_version=self.claims_version)

        return current_index

    def kept(original: Any) -> Any:
        def with_index(self: Session, index: Any, **more: Any) -> Session:
            entry = (index.list_id, index.index)
            rest = (each for each in self.indices if (each.list_id, each.index) != entry)
            found: Session = original(replace(self, indices=tuple(rest)), index, **more)
            return found

        return with_index

    def changed(original: Any) -> Any:
        def changes_between(before: Any, after: Any) -> Iterator[StatusChange]:
            yield from original(before, after)
            for index in after[0].indices:
                if after[0].ended_at is None and index not in before[0].indices:
                    yield StatusChange(index.list_id, index.index, VALID)

        return changes_between

    replaced(patches, Session, "current_index", current)
    replaced(patches, Session, "with_index", kept)
    replaced(patches, opening, "changes_between", changed)


def epochs_do_not_count(patches: ExitStack) -> None:
    """A position is a number, and nothing else."""

    def translated(question: Question, read: FeedRead) -> Question:
        position = question.position
        if position is None:
            return question
        return replace(question, position=Position(read.position.epoch, position.number))

    def shared(original: Any) -> Any:
        return lambda question, read: original(translated(question, read), read)

    def fed(original: Any) -> Any:
        async def feed(self: SmallLists, after: Position | None, **more: Any) -> Any:
            if after is not None:
                after = Position(self.epoch, after.number)
            return await original(self, after, **more)

        return feed

    replaced(patches, pump, "_read_for", shared)
    replaced(patches, published, "continued", shared)
    replaced(patches, status_feed, "_after", continues_always)
    replaced(patches, SmallLists, "feed", fed)


def reinstated_means_valid(patches: ExitStack) -> None:
    """A status is written over, where it should be computed."""

    def made(original: Any) -> Any:
        def status_of(session: Session, subject: Any, claims_version: int) -> Any:
            if session.ended_at is None and not subject.is_suspended:
                return original(session, replace(subject, claims_version=0), claims_version)
            return original(session, subject, claims_version)

        return status_of

    replaced(patches, status_change, "status_of", made)


def subjects_are_not_expected(patches: ExitStack) -> None:
    """A commit about a session takes no notice of what became of its subject."""

    def made(original: Any) -> Any:
        def holds(self: SmallLists, commit: Commit) -> bool:
            found: bool = original(self, replace(commit, subjects=()))
            return found

        return holds

    replaced(patches, SmallLists, "_holds", made)


def continues_always(_: Any) -> Any:
    def after(members: Mapping[str, Any], question: Question, _: Position) -> Position | None:
        return None if members.get("from") is None else question.position

    return after
