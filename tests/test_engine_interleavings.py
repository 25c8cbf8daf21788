"""Every order in which the steps of parallel calls can meet: hypothesis is the scheduler.

The calls are coroutines that pause around each use of the store; a schedule says whose turn it is.
Time stands still, so what is true in the end must have been decided by the commits alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import MemoryStore, Opened, Revoked
from counterfoil.drive import drive
from counterfoil.errors import AuthError, CounterfoilError, Overloaded, RefreshUnknown
from counterfoil.status_change import status_of
from counterfoil.status_mirror import StatusMirror
from scenes import EVERY_ID, KEYS, Roles, Scene, Waiting, credential, handle, scene

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from counterfoil.outcome import Changed

Call = "Callable[[Play], Coroutine[Any, Any, object]]"


class Pause:
    """Gives the turn back to the scheduler."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Pausing(Waiting):
    """A store that gives the turn back to the scheduler before and after every call."""

    async def pause(self) -> None:
        await Pause()


@dataclass
class Play:
    """One session of ann's, and whatever the calls made of it."""

    s: Scene
    opened: Opened
    roles: Roles
    before: Any
    given: list[Opened] = field(default_factory=list)
    ended: list[Revoked] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    signed_in: list[Opened] = field(default_factory=list)
    suspended: bool = False

    async def refresh(self) -> None:
        self.given.append(await self.s.refresh(self.opened))

    async def step_up(self) -> None:
        self.given.append(await self.s.auth.step_up(credential(self.opened)))

    async def sign_in(self) -> None:
        client_id = self.opened.session.client_id
        self.signed_in.append(await self.s.open("ann", client_id, expected=self.before))

    async def revoke(self) -> None:
        self.ended.append(await self.s.auth.revoke(self.opened.session.id))

    async def sign_out(self) -> None:
        self.ended.append(await self.s.auth.revoke_presented(handle(self.opened)))

    async def revoke_all(self) -> None:
        self.ended.append(await self.s.auth.revoke_all("ann"))

    async def revoke_client(self) -> None:
        client_id = self.opened.session.client_id
        self.ended.append(await self.s.auth.revoke_client(client_id))

    async def demote(self) -> None:
        self.roles.of["ann"] = ["reader"]
        self.changes.append(await self.s.auth.claims_changed("ann"))

    async def suspend(self) -> None:
        self.changes.append(await self.s.auth.suspend("ann"))
        self.suspended = True


CALLS = [
    Play.refresh,
    Play.refresh,
    Play.refresh,
    Play.step_up,
    Play.sign_in,
    Play.revoke,
    Play.sign_out,
    Play.revoke_all,
    Play.revoke_client,
    Play.demote,
    Play.suspend,
]


def run(calls: list[Coroutine[Any, Any, object]], schedule: list[int]) -> list[CounterfoilError]:
    """Steps the calls in that order, then round about, until all are done."""
    refusals: list[CounterfoilError] = []
    turn = 0
    while calls:
        chosen = schedule[turn] if turn < len(schedule) else turn
        call = calls[chosen % len(calls)]
        turn += 1
        try:
            call.send(None)
        except StopIteration:
            calls.remove(call)
        except CounterfoilError as why:
            refusals.append(why)
            calls.remove(call)
    return refusals


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(EVERY_ID),
    st.lists(st.sampled_from(CALLS), min_size=2, max_size=5),
    st.lists(st.integers(0, 4), max_size=120),
)
def test_whatever_the_order_the_promises_hold(
    client_id: str, calls: list[Any], schedule: list[int]
) -> None:
    """What was ended or suspended does not pass, old roles do not outlive, one successor, no index
    twice, and the mirror says what the records say."""
    store, roles = MemoryStore(), Roles({"ann": ["admin"]})
    with (
        scene(store=store, claims=roles) as first,
        scene(store=store, face=Pausing(store), claims=roles, clock=first.clock) as s,
    ):
        opened = drive(first.open("ann", client_id))
        play = Play(s, opened, roles, before=drive(first.auth.subject("ann")))
        refusals = run([call(play) for call in calls], schedule)
        assert not any(isinstance(why, Overloaded) for why in refusals)
        first.read_on()
        _require_one_family(play, first)
        _require_what_ended_is_over(play, first)
        _require_todays_roles(play, first)
        _require_status_of_records(first)


def passes(s: Scene, opened: Opened) -> list[str] | None:
    """The roles with which it passes; None where it does not."""
    with suppress(AuthError):
        return list(drive(s.check(opened)).roles)
    return None


def _everything(play: Play) -> list[Opened]:
    return [play.opened, *play.given, *play.signed_in]


def _require_one_family(play: Play, s: Scene) -> None:
    """Of all refreshes of one handle there is one successor; the newest handle is the record's."""
    record = drive(s.record(play.opened))
    steps = {opened.session.generation: set[str]() for opened in play.given}
    for opened in play.given:
        steps[opened.session.generation].add(handle(opened).text)
    assert all(len(texts) == 1 for texts in steps.values())
    if play.given:
        newest = max(play.given, key=lambda opened: opened.session.generation)
        assert newest.session.generation == record.generation
        assert newest.session.handle_digest == record.handle_digest


def _require_what_ended_is_over(play: Play, s: Scene) -> None:
    record = drive(s.record(play.opened))
    assert sum(done.count for done in play.ended) >= (record.ended_at is not None)
    assert bool(play.ended) is (record.ended_at is not None)
    over = [play.opened, *play.given] if play.ended else []
    if play.suspended:
        over = _everything(play)
        assert s.store._subjects["ann"].is_suspended  # noqa: SLF001
    within = max(
        [done.effective_within for done in play.ended]
        + [changed.effective_within for changed in play.changes],
        default=None,
    )
    for opened in over:
        assert within is not None
        if opened.session.client_id == "partner":
            assert opened.credential.expires_at - s.now <= within
        else:
            assert passes(s, opened) is None
        try:
            drive(s.refresh(opened))
        except AuthError:
            continue
        raise AssertionError("What is over was refreshed.")


def _require_todays_roles(play: Play, s: Scene) -> None:
    if play.changes and play.roles.of["ann"] == ["reader"] and not play.suspended:
        for opened in _everything(play):
            roles = passes(s, opened)
            if opened.session.client_id != "partner":
                assert roles in (None, ["reader"])
            elif roles == ["admin"]:
                within = max(changed.effective_within for changed in play.changes)
                assert opened.credential.expires_at - s.now <= within
            with suppress(AuthError, RefreshUnknown):
                assert passes(s, drive(s.refresh(opened))) == ["reader"]


def _require_status_of_records(s: Scene) -> None:
    """For every index ever given out, and each belongs to one claims version of one session."""
    mirror = StatusMirror()
    mirror.apply(drive(s.store.feed(None, now=s.now)), began=0.0, at=s.now)
    owners: dict[tuple[str, int], tuple[str, int]] = {}
    for session in s.store._sessions.values():  # noqa: SLF001
        subject = s.store._subjects[session.subject]  # noqa: SLF001
        for index in session.indices:
            bits = mirror.lists[index.list_id]
            assert bits[index.index] == status_of(session, subject, index.claims_version)
            owner = (session.id, index.claims_version)
            assert owners.setdefault((index.list_id, index.index), owner) == owner


def test_the_scene_is_the_one_that_was_meant() -> None:
    """The schedule really interleaves: two refreshes that take turns compete, and one repeats."""
    store = MemoryStore()
    with scene(store=store) as first, scene(store=store, face=Pausing(store), keys=KEYS) as s:
        opened = drive(first.open("ann", "api"))
        play = Play(s, opened, Roles(), before=None)
        assert run([play.refresh(), play.refresh()], [0, 1] * 50) == []
        assert sorted(drive(first.kinds())) == [
            "refresh_repeated",
            "session_opened",
            "session_refreshed",
        ]
