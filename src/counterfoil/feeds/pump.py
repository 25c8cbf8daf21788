"""The issuer's end of the feed: who waits at this node, and which read answers whom.

Nothing here waits and nothing reads. Whoever serves HTTP lets questions in and is called back;
the local feed's reads of the store come in as they happen, and one read answers all who wait.
An answer rests on a read that began after its question arrived, and on no other: a node that
answered from what it knew before could say "nothing new" after another node has acknowledged.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.errors import IssuerUnavailable, Overloaded
from counterfoil.status_feed import MOST_CHANGES, Terms, WrittenTerms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from counterfoil.client import Client
    from counterfoil.keys import PublicKeySet
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_feed import Question

MOST_WAITING: Final = 20_000
DEFAULT_STALENESS: Final = timedelta(seconds=10)
# Seconds that a node rests for each verifier that has heard news: that is twice what it takes to
# tell one, so that a storm of revocations cannot take the node from those who are signed in.
REST_EACH: Final = 0.001
AT_ONCE: Final = 0.1  # of rest may be owed while news still goes out: few revocations are no storm
_AHEAD: Final = "This node has not come as far as this verifier."


@dataclass(frozen=True, slots=True)
class Ready:
    """What answers a question. read: None where the position needs a read of its own, which has
    to begin after `arrived`, the uptime at which the question came."""

    read: FeedRead | None
    terms: WrittenTerms
    arrived: float = float("inf")


@dataclass(slots=True, eq=False)
class Waiting:
    """A question that has arrived. `deliver` is called once, in whatever thread has the answer."""

    question: Question
    arrived: float
    due: float
    deliver: Callable[[Ready], None] = field(repr=False)


@dataclass(slots=True, eq=False)
class Settling:
    """Who of those that ask here has not come to a position yet; `done` is called once, when that
    is nobody, in whatever thread finds out."""

    position: Position
    behind: set[str]
    done: Callable[[], object] = field(repr=False)


class Pump:
    """Every question at one node. Safe for several threads."""

    def __init__(self) -> None:
        self._waiting: set[Waiting] = set()
        self._lock = threading.Lock()
        self._terms = WrittenTerms(
            Terms(lists=(), kids=frozenset(), max_staleness=DEFAULT_STALENESS)
        )
        self._rested_at = float("-inf")
        self._is_closing = False
        # By verifier process, the latest first to go: how far it has come, and when it said so.
        self._come: dict[str, tuple[Position | None, float]] = {}
        self._settling: list[Settling] = []

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    @property
    def digest(self) -> str:
        """Of the terms at the last read."""
        return self._terms.digest

    @property
    def rest(self) -> float:
        """Seconds between two reads when nothing happens: what waits is due with one of them."""
        return self._terms.terms.max_staleness.total_seconds() / 50

    def enter(
        self, question: Question, *, uptime: float, deliver: Callable[[Ready], None]
    ) -> Waiting:
        """Lets a question in, which arrived at this uptime. It waits for news for as long as it
        asks to, and no longer than a third of max_staleness. Raises `Overloaded`."""
        longest = self._terms.terms.max_staleness.total_seconds() / 3
        wait = min(question.wait.total_seconds(), longest) - self.rest
        due = uptime if self._is_closing else uptime + max(0.0, wait)
        waiting = Waiting(question, uptime, due, deliver)
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise Overloaded("Too many verifiers wait here.", retry_after=timedelta(seconds=1))
            self._waiting.add(waiting)
            settled = self._note(question, uptime) if question.verifier else []
        for settling in settled:
            settling.done()
        return waiting

    def settle(
        self, position: Position, *, uptime: float, done: Callable[[], object]
    ) -> Settling | None:
        """Has `done` called when everybody who asks here has come to this position; None where
        they have already. Give it back with `unsettle` when that takes too long: a verifier that
        has gone will never say so."""
        longest = self._terms.terms.max_staleness.total_seconds()
        with self._lock:
            asking = {name: come for name, come in self._come.items() if uptime - come[1] < longest}
            behind = {name for name, (come, _) in asking.items() if not _reaches(come, position)}
            self._come = asking
            if not behind:
                return None
            settling = Settling(position, behind, done)
            self._settling.append(settling)
        return settling

    def unsettle(self, settling: Settling) -> None:
        """Who was waited for in vain is not waited for again until they ask: they may have gone."""
        with self._lock:
            if settling in self._settling:
                self._settling.remove(settling)
                for name in settling.behind:
                    self._come.pop(name, None)

    def _note(self, question: Question, uptime: float) -> list[Settling]:
        """How far this verifier has come by now, and whom that settles. Asks for the lock."""
        name = question.verifier
        self._come.pop(name, None)
        if len(self._come) >= MOST_WAITING:
            del self._come[next(iter(self._come))]
        self._come[name] = (question.position, uptime)
        for settling in self._settling:
            if _reaches(question.position, settling.position):
                settling.behind.discard(name)
        settled = [settling for settling in self._settling if not settling.behind]
        self._settling = [settling for settling in self._settling if settling.behind]
        return settled

    def leave(self, waiting: Waiting) -> None:
        """Its asker has gone."""
        with self._lock:
            self._waiting.discard(waiting)

    def release(self) -> None:
        """Lets nobody wait any more: the node is to stop. The next read answers all."""
        self._is_closing = True
        with self._lock:
            for waiting in self._waiting:
                waiting.due = waiting.arrived

    def take(self, read: FeedRead, terms: Terms, *, began: float, uptime: float) -> float | None:
        """A read of the store has come in, which began at that uptime: answers whom it answers.

        Returns after how many seconds to read again, where news is held back for a moment.
        """
        if terms != self._terms.terms:
            self._terms = WrittenTerms(terms)
        with self._lock:
            asked = [waiting for waiting in self._waiting if waiting.arrived <= began]
            news = [waiting for waiting in asked if self._is_news(waiting.question, read)]
            due = [waiting for waiting in asked if waiting.due <= began]
            quiet = self.quiet(uptime=uptime)
            chosen = {*due} if quiet else {*due, *news}
            self._waiting -= chosen
            if news and not quiet:
                most = self._terms.terms.max_staleness.total_seconds() / 10
                rested_at = max(self._rested_at, uptime) + len(news) * REST_EACH
                self._rested_at = min(rested_at, uptime + most + AT_ONCE)
        for waiting in chosen:
            ready = Ready(_read_for(waiting.question, read), self._terms, waiting.arrived)
            waiting.deliver(ready)
        held_back = quiet and not chosen.issuperset(news)
        return quiet if held_back else None

    def quiet(self, *, uptime: float) -> float:
        """Seconds for which news is held back."""
        return max(0.0, self._rested_at - AT_ONCE - uptime)

    def _is_news(self, question: Question, read: FeedRead) -> bool:
        return question.position != read.position or question.terms != self._terms.digest


def _reaches(come: Position | None, position: Position) -> bool:
    """Whether who has come so far knows what happened up to a position. Of another epoch or with
    none it begins anew, and reads all of it."""
    return come is None or come.epoch != position.epoch or come.number >= position.number


def _read_for(question: Question, read: FeedRead) -> FeedRead | None:
    """The read as the one who asked continues with it; None where it holds other changes."""
    position = question.position
    if position is None or position.epoch != read.position.epoch:
        return replace(read, after=None, changes=())
    if position == read.position:
        return replace(read, after=position, changes=())
    if read.position.number - position.number > MOST_CHANGES:
        return replace(read, after=None, changes=())
    return read if position == read.after else None


def continued(question: Question, read: FeedRead) -> FeedRead:
    """A read made for this question alone, after it arrived. Raises `IssuerUnavailable` when the
    verifier has come further than the store: what a node does not know it does not deny."""
    position = question.position
    if position is not None and position.epoch == read.position.epoch:
        if position.number > read.position.number:
            raise IssuerUnavailable(_AHEAD, retry_after=timedelta(seconds=1))
        if read.position.number - position.number <= MOST_CHANGES:
            return read
    return replace(read, after=None, changes=())


def terms_of(read: FeedRead, *, keys: PublicKeySet, clients: Iterable[Client]) -> Terms:
    """What verifiers go by, as it stands at this read."""
    spans: Mapping[str, timedelta] = {
        client.client_id: client.max_staleness for client in clients if client.strategy == "hybrid"
    }
    least = min(spans.values(), default=DEFAULT_STALENESS)
    return Terms(
        lists=read.lists,
        kids=frozenset(key.kid for key in keys),
        max_staleness=least,
        longer={client_id: span for client_id, span in spans.items() if span > least},
    )
