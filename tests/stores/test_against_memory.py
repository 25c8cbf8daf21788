from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from counterfoil.drive import drive
from counterfoil.events import Event
from counterfoil.ports import Commit, SessionQuery
from counterfoil.session import StatusIndex
from counterfoil.status_change import Position, StatusChange
from counterfoil.status_list import Issuing
from counterfoil.stores.memory import MemoryStore
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.redis.store import RedisStore
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import NOW, a_session
from postgresql import new_schema
from valkeys import empty_valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from counterfoil.ports import Store
    from counterfoil.status_change import FeedRead
    from counterfoil.subject import ClientState, SubjectState

IDS = ("s-1", "s-2", "s-3", "s-4", "s-5")
SUBJECTS = ("user-1", "user-2", "")
CLIENTS = ("web", "api")
ISSUING = Issuing(window=timedelta(minutes=10), size=6, access=timedelta(minutes=3))

texts = st.text(st.characters(), max_size=4)
spans = st.timedeltas(timedelta(0), timedelta(minutes=30))
moments = spans.map(lambda span: NOW + span)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # What JSON holds, any nesting of it.
    | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
details = st.dictionaries(texts, json_values, max_size=2)
events = st.builds(
    Event,
    kind=st.sampled_from(["session_opened", "sign_in_refused"]),
    at=moments,
    subject=st.sampled_from([*SUBJECTS, None]),
    session_id=st.sampled_from([*IDS, None]),
    detail=details,
)
# How far a version is from the one that would take.
off = st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1])
# What a commit may change of a session; the rest is fixed when it is opened.
moving = st.fixed_dictionaries(
    {
        "auth_time": moments,
        "last_seen_at": moments,
        "idle": spans,
        "generation": st.integers(0, 2**24 - 1),
        "handle_digest": st.binary(min_size=32, max_size=32),
        "spent_at": st.lists(moments, max_size=3).map(tuple),
        "claims": details,
        "claims_version": st.integers(0, 2**60),
        "indices": st.lists(
            st.builds(StatusIndex, texts, st.integers(0, 2**40), st.integers(0, 9), moments),
            max_size=2,
        ).map(tuple),
        "access_until": st.none() | moments,
        "device": texts,
        "address": texts,
        "ended_at": st.none() | st.none() | moments,
        "ended_because": st.sampled_from([None, "revoked"]),
    }
)


class BothStores(RuleBasedStateMachine):
    """Whatever is done to both, a store answers as the memory store does."""

    @contextlib.contextmanager
    def new_store(self) -> Iterator[Store]:
        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore(Path(folder) / "sessions.db").blocking()
            yield store
            drive(store.close())

    @initialize()
    def begin(self) -> None:
        self.memory: Store = MemoryStore()
        self.opened = contextlib.ExitStack()
        self.other = self.opened.enter_context(self.new_store())
        self.now = NOW
        self.twins: dict[str, str] = {}  # ids of lists are random, so each store has its own
        self.numbers = [0]

    def teardown(self) -> None:
        self.opened.close()

    def both(self, call: Callable[[Store], Any]) -> Any:
        expected, answer = drive(call(self.memory)), drive(call(self.other))
        assert answer == expected
        return answer

    @rule(span=st.sampled_from([1, 60, 300, 601, 3600]))
    def time_goes_by(self, span: int) -> None:
        self.now += timedelta(seconds=span)

    @rule(
        session_id=st.sampled_from(IDS),
        subject=st.sampled_from(SUBJECTS),
        client_id=st.sampled_from(CLIENTS),
        changes=moving,
        life=spans,
        offs=st.tuples(off, off, off),
        moves_feed=st.booleans(),
        written=st.lists(events, max_size=2),
    )
    def commit(  # noqa: PLR0917 - hypothesis names them
        self,
        session_id: str,
        subject: str,
        client_id: str,
        changes: dict[str, Any],
        life: timedelta,
        offs: tuple[int, int, int],
        moves_feed: bool,  # noqa: FBT001 - hypothesis names them
        written: list[Event],
    ) -> None:
        found = drive(self.memory.look_up(session_id))
        session = (
            found.session
            if found
            else a_session(
                session_id,
                version=0,
                subject=subject,
                client_id=client_id,
                created_at=self.now,
                absolute_end=self.now + life,
            )
        )
        state = drive(self.memory.subject(session.subject))
        client = drive(self.memory.client(session.client_id))
        entries = [(twin, index) for index, twin in enumerate(self.twins) for _ in range(2)]
        commits = [
            Commit(
                sessions=(replace(session, version=session.version + 1 + offs[0], **changes),),
                subjects=(replace(state, version=state.version + 1 + offs[1]),),
                unchanged=(replace(client, version=client.version + offs[2]),),
                changes=tuple(StatusChange(names[twin], index, 1) for twin, index in entries),
                moves_feed=moves_feed,
                events=tuple(written),
            )
            for names in ({twin: twin for twin in self.twins}, self.twins)
        ]
        took = drive(self.memory.commit(commits[0]))
        assert drive(self.other.commit(commits[1])) == took

    @rule(
        subject=st.sampled_from(SUBJECTS),
        suspended_at=st.none() | moments,
        offs=st.tuples(off, off),
    )
    def commit_states(self, subject: str, suspended_at: Any, offs: tuple[int, int]) -> None:
        state: SubjectState = drive(self.memory.subject(subject))
        client: ClientState = drive(self.memory.client("web"))
        state = replace(state.ended(), suspended_at=suspended_at, claims_version=state.version)
        commit = Commit(
            subjects=(replace(state, version=state.version + offs[0]),),
            clients=(replace(client, version=client.version + 1 + offs[1]),),
        )
        self.both(lambda store: store.commit(commit))

    @rule(session_id=st.sampled_from(IDS), at=moments)
    def touch(self, session_id: str, at: Any) -> None:
        self.both(lambda store: store.touch(session_id, at))

    @rule(event=events)
    def note(self, event: Event) -> None:
        self.both(lambda store: store.note(event))

    @rule(count=st.integers(1, 4))
    def reserve(self, count: int) -> None:
        blocks = [
            drive(store.reserve(ISSUING, count=count, now=self.now))
            for store in (self.memory, self.other)
        ]
        reads = [drive(store.feed(None, now=self.now)) for store in (self.memory, self.other)]
        self.twins.update(
            (one.id, two.id) for one, two in zip(reads[0].lists, reads[1].lists, strict=True)
        )
        one, two = blocks
        assert self.twins[one.list.id] == two.list.id
        assert (one.start, one.stop) == (two.start, two.stop)

    @rule(data=st.data())
    def read_feed(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([*self.numbers, None]))
        reads: list[FeedRead] = []
        for store in (self.memory, self.other):
            epoch = drive(store.feed(None, now=self.now)).position.epoch
            after = None if number is None else Position(epoch, number)
            read = drive(store.feed(after, now=self.now))
            assert read.after == after
            reads.append(read)
        one, two = reads
        self.numbers.append(one.position.number)
        assert one.position.number == two.position.number
        assert [replace(known, id=self.twins[known.id]) for known in one.lists] == list(two.lists)
        changes = [replace(change, list_id=self.twins[change.list_id]) for change in one.changes]
        assert changes == list(two.changes)

    @rule(
        query=st.builds(
            SessionQuery,
            subject=st.sampled_from([None, *SUBJECTS]),
            client_id=st.sampled_from([None, *CLIENTS]),
            live_at=st.none() | moments,
            before=st.sampled_from([None, None, *IDS, "unknown"]),
            limit=st.integers(0, 4),
        )
    )
    def list_sessions(self, query: SessionQuery) -> None:
        self.both(lambda store: store.sessions(query))

    @rule(
        subject=st.sampled_from([None, *SUBJECTS]),
        before=st.none() | st.integers(0, 9),
        limit=st.integers(0, 5),
    )
    def read_trail(self, subject: str | None, before: int | None, limit: int) -> None:
        self.both(lambda store: store.trail(subject=subject, before=before, limit=limit))

    @rule()
    def sweep(self) -> None:
        # Which of them go first is left to the store, so all go.
        self.both(lambda store: store.sweep(now=self.now, limit=len(IDS)))

    @invariant()
    def every_record_is_the_same(self) -> None:
        for session_id in IDS:
            self.both(partial(_look_up, session_id))
        for client_id in CLIENTS:
            self.both(partial(_client, client_id))


def _look_up(session_id: str, store: Store) -> Any:
    return store.look_up(session_id)


def _client(client_id: str, store: Store) -> Any:
    return store.client(client_id)


class WithPostgres(BothStores):
    @contextlib.contextmanager
    def new_store(self) -> Iterator[Store]:
        with new_schema() as url:
            store = PostgresStore(url).blocking()
            yield store
            drive(store.close())


class WithRedis(BothStores):
    @contextlib.contextmanager
    def new_store(self) -> Iterator[Store]:
        with empty_valkey() as url:
            store = RedisStore(url).blocking()
            yield store
            drive(store.close())


class TestSqlite(BothStores.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


class TestPostgres(WithPostgres.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=10, stateful_step_count=30, deadline=None)


class TestRedis(WithRedis.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=5, stateful_step_count=30, deadline=None)
