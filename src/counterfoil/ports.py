"""What the engine asks of the world, with the odd cases.

Every method of a store may raise `StoreUnavailable`, and that alone, when it cannot know. Absent
is None. Each implementation passes `counterfoil.testing.store_contract`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.events import Event
    from counterfoil.handle import HandleSecrets
    from counterfoil.keys import PublicKeySet, SigningKeySet
    from counterfoil.session import Session
    from counterfoil.status_change import FeedRead, Position, StatusChange
    from counterfoil.status_list import Block, Issuing
    from counterfoil.subject import ClientState, SubjectState

T = TypeVar("T")
Claims = Mapping[str, Any]
ClaimsSource = Callable[[str], "Claims | Sequence[str] | Awaitable[Claims | Sequence[str]]"]
Entropy = Callable[[int], bytes]


class Found(NamedTuple):
    """A session and the state of its subject, from one read."""

    session: Session
    subject: SubjectState


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything that becomes true together, or not at all.

    A record's `version` says both what is written and what is expected: version n replaces
    version n-1, and version 1 must be the first. `unchanged` is read, not written: it must still
    stand at its version. Changes are numbered in the order of commits, without gaps. What the
    opening fixed (subject, client_id, created_at, absolute_end) is not written again. `moves_feed`
    says that it withdraws trust: without any change it takes one number all the same, so that a
    store from which it is missing shows that by its number. `epoch`: the store must still be in it.

    Its sessions and subjects lie in one shard (`Store.shard`), and `clients` is written without
    either. A store of several shards raises `ValueError` otherwise; one of one shard takes it.
    """

    sessions: tuple[Session, ...] = ()
    subjects: tuple[SubjectState, ...] = ()
    clients: tuple[ClientState, ...] = ()
    unchanged: tuple[ClientState, ...] = ()
    changes: tuple[StatusChange, ...] = ()
    moves_feed: bool = False
    epoch: str | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery:
    """Which sessions to list; newest first, `limit` of them, older than the session `before`,
    which counts for its place alone: it may have ended since. One that was swept ends the list.
    opened_before: those alone that were opened earlier; the list begins there."""

    subject: str | None = None
    client_id: str | None = None
    live_at: datetime | None = None
    opened_before: datetime | None = None
    before: str | None = None
    limit: int = 100


class TrailLine(NamedTuple):
    """An event and its number in the trail."""

    number: int
    event: Event


class Store(Protocol):
    """Keeps session records and the numbered changes."""

    @property
    def suspends(self) -> bool:
        """Whether its coroutines may really wait; `BlockingCounterfoil` refuses those."""

    def blocking(self) -> Store:
        """The same store with methods that never suspend. Raises `ConfigurationError` if it has
        no such face."""

    def default_keys(self) -> Keys:
        """The keys kept beside this store. Raises `ConfigurationError` if it keeps none."""

    @property
    def waits_aside(self) -> bool:
        """Whether to read the blocking face may take long, so that whoever is called by an event
        loop does that by `aside` or not at all. False for the blocking face itself."""

    async def aside(self, step: Callable[[], T]) -> T:
        """What a step answers that reads the blocking face, without stopping an event loop
        meanwhile. It may run in another thread."""

    def hint(self) -> object:
        """Another value whenever something may have been committed since, by whatever process, that
        a read of the feed would bring: then it is worth one. No knowledge: where it stays the same,
        a read may bring news all the same, a moment later. A plain call that never waits for a
        writer, cheap enough to be made hundreds of times a second. Raises `StoreUnavailable`."""

    def wait(self, hint: object, seconds: float) -> bool:
        """Waits, in a thread of its own, until the hint may be another, or for so long. True when
        something has stirred: the hint moves then or a moment later. It may return at any time
        before, and does where it cannot be told. Raises nothing."""

    def shard(self, name: str) -> int:
        """In which shard, from 0 to 65,535, a subject lies, with all that is theirs. A session is
        found at once if its id, as a name, is of the same one, and else by one read more. Always 0
        where everything lies together."""

    async def look_up(self, session_id: str) -> Found | None:
        """Read after the call began, from the primary. An id of any text is allowed."""

    async def subject(self, subject: str) -> SubjectState:
        """A subject never seen is at version 0."""

    async def client(self, client_id: str) -> ClientState:
        """A client never seen is at version 0."""

    async def sessions(self, query: SessionQuery) -> list[Session]:
        """Ended and expired ones too, unless `live_at` is given, until they are swept."""

    async def all_of_subject(self, subject: str) -> tuple[SubjectState, list[Session]]:
        """The subject's state and every session not yet swept, from one read."""

    async def commit(self, commit: Commit) -> bool:
        """True: durable. False: an expectation did not hold and nothing was written.

        `last_seen_at` never goes back, whatever the record says: a touch may have come between.
        """

    async def touch(self, session_id: str, at: datetime) -> None:
        """Notes use. May be lost in a crash; never undoes, delays or follows a revocation."""

    async def note(self, event: Event) -> None:
        """Adds to the trail an event that no record depends on. May be lost in a crash."""

    async def reserve(self, issuing: Issuing, *, count: int, now: datetime) -> Block:
        """Indices of the list that is issuing now, given to nobody else, ever. Announces the
        lists that are needed: the present one if there is none, and the next window's."""

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        """The changes after a position; from nothing if that is None or of another epoch. Read
        after the call began. Lists whose tokens have all expired are left out. An epoch is 1 to 64
        of `A-Za-z0-9_-`; what is before the first dash is the store's name, which no other has."""

    async def begin_epoch(
        self,
        *,
        now: datetime,
        reached: Callable[[Position], Position],
        because: str = "restored",
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Makes a store that was put back one to go on with. Returns how many sessions were live.

        All at once: every session that has not ended is ended at `now`, `because`; an epoch begins
        that follows the store's own and that of what `reached` answers to its position; the changes
        are forgotten, and the lists, none of which returns; what anybody read before of a session,
        subject or client is expected in vain; the trail has one event of it, `store_restored`.
        progress: called now and then with the sessions done so far, in whatever thread.
        """

    async def trail(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[TrailLine]:
        """Events, newest first, numbered below `before`."""

    async def sweep(self, *, now: datetime, limit: int = 1000) -> int:
        """Forgets up to `limit` sessions past their absolute end, and what belonged to dropped
        lists. Returns how many sessions went; 0 means there is nothing left to sweep."""

    async def close(self) -> None:
        """Lets go of files and threads. Repeating it does nothing."""


class Keys(Protocol):
    """Where signing keys and K are kept, and how far stores are known to have come. All calls but
    `update` and `refresh` are cheap enough to make for each issue."""

    def signing_keys(self) -> SigningKeySet:
        """The set as it stands now, changed by whatever process."""

    def public_keys(self) -> PublicKeySet:
        """What checks read: at most a moment behind. Raises `KeysStale` when too old to rely on."""

    def handle_secrets(self) -> HandleSecrets:
        """K in its versions."""

    def update(self, change: Callable[[SigningKeySet], SigningKeySet]) -> SigningKeySet:
        """Replaces the set by what `change` makes of it, one at a time, durably."""

    def refresh(self) -> None:
        """Reads what other processes have changed, where the calls above would not. It may wait;
        the local feed calls it with each of its reads. Raises `StoreUnavailable`."""

    def reach(self, position: Position) -> Position:
        """Notes that a store has come to this position. Answers the furthest that any process has
        noted of that store; if the position is behind it, the store is older than it once was.

        What was noted is known to all processes, and survives each of them; it may be lost in a
        power cut. It is never further than the store had come. Raises `StoreUnavailable`.
        """
