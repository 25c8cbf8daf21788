"""When the watch of live connections notices: in time, cheaply, and also when it cannot know."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import Client, Counterfoil, MemoryStore
from counterfoil.errors import (
    ClaimsStale,
    ConfigurationError,
    KeysStale,
    SessionRevoked,
    StatusStale,
    StoreUnavailable,
)
from counterfoil.events import Event
from counterfoil.integrations import live_watch
from counterfoil.integrations.live_watch import follow
from counterfoil.stores.memory import MemoryKeys
from scenes import API, ISSUER, KEYS, PARTNER, PHONE, SECOND, Scene, scene
from waiting import Cut, Waiting, come_true, open_and_wait

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from counterfoil.errors import CounterfoilError

pytestmark = pytest.mark.usefixtures("quick")
NEVER = 3600.0


def cut(*clients: Client) -> tuple[AbstractContextManager[Scene], Cut]:
    """A scene whose store can be cut off."""
    store = MemoryStore()
    face: Any = Cut(store)
    return scene(*clients, store=store, face=face), face


async def revoke_elsewhere(played: Scene, *session_ids: str) -> None:
    """As another process would; this one reads on."""
    with scene(*played.auth.clients.values(), store=played.store, clock=played.clock) as other:
        for session_id in session_ids:
            await other.auth.revoke(session_id)
    played.read_on()


# In time.


@pytest.mark.parametrize("client", [PHONE, API])
async def test_a_revocation_before_the_wait_is_found(client: Client) -> None:
    """Between the check and the wait, whatever it goes by."""
    with scene(client) as played:
        opened = await played.auth.open("ann")
        found = await played.check(opened)
        await played.auth.revoke(opened.session.id)
        assert await Waiting(played.auth, found).end() is SessionRevoked


@pytest.mark.parametrize("client", [PHONE, API])
async def test_what_another_process_revokes_is_noticed_as_the_feed_moves(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the next second begins."""
    monkeypatch.setattr(live_watch, "EVERY", NEVER)
    with scene(client) as played:
        opened, waiting = await open_and_wait(played)
        await revoke_elsewhere(played, opened.session.id)
        assert await waiting.end() is SessionRevoked


async def test_without_a_feed_each_record_is_read_at_each_sweep() -> None:
    """For a store that can only be awaited: so a revocation is noticed within a second."""

    class Awaited(Cut):
        def blocking(self) -> Any:
            raise ConfigurationError

    face: Any = Awaited(MemoryStore())
    with scene(PHONE, face=face) as played:
        opened, waiting = await open_and_wait(played)
        await played.auth.revoke(opened.session.id)
        assert await waiting.end() is SessionRevoked


async def test_knowledge_that_gets_too_old_is_noticed_then_and_not_a_second_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the machine's own clock, with a bound of one second: no sweep comes otherwise."""
    monkeypatch.setattr(live_watch, "EVERY", NEVER)
    strict = Client(client_id="strict", strategy="hybrid", max_staleness=SECOND)
    face: Any = Cut(MemoryStore())
    auth = Counterfoil(issuer=ISSUER, store=face, clients=[strict], keys=KEYS)
    opened = await auth.open("ann")
    waiting = Waiting(auth, await auth.check(opened.credential.token))
    assert await waiting.goes_on()
    face.failing = {"feed"}
    assert await waiting.end() is StatusStale
    await auth.close()


# Cheaply.


async def test_while_nothing_is_revoked_no_record_is_read_again() -> None:
    """However many sweeps there are; and then only those that are meant, at first."""
    playing, face = cut(PHONE)
    with playing as played:
        opened = [await played.auth.open(f"user-{number}") for number in range(20)]
        waiting = [Waiting(played.auth, await played.check(each)) for each in opened]
        assert await waiting[0].goes_on()
        before = face.looked_up
        assert await waiting[0].goes_on()
        assert face.looked_up == before
        await revoke_elsewhere(played, opened[3].session.id)
        assert await waiting[3].end() is SessionRevoked
        assert await waiting[0].goes_on()
        assert face.looked_up == before + 1
        played.advance(5)
        assert await waiting[0].goes_on()
        assert face.looked_up == before + 20
        for each in waiting:
            await each.leave()


async def test_what_the_trail_does_not_tell_is_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a hint: without it every record is read, and one that it leaves out is read later."""
    playing, face = cut(PHONE)
    with playing as played:
        opened, waiting = await open_and_wait(played)
        face.failing = {"trail"}
        await revoke_elsewhere(played, opened.session.id)
        assert await waiting.end() is SessionRevoked
        face.failing = set()
        opened, waiting = await open_and_wait(played)
        monkeypatch.setattr(face, "trail", _silent)
        await revoke_elsewhere(played, opened.session.id)
        assert await waiting.goes_on()
        played.advance(5)
        assert await waiting.end() is SessionRevoked


async def test_more_news_than_anybody_reads_have_all_records_read() -> None:
    """As when a whole client is ended: then each of them may be meant."""
    with scene(PHONE) as played:
        opened, waiting = await open_and_wait(played)
        for _ in range(2000):
            await played.store.note(Event(kind="sign_in_refused", at=played.now))
        await revoke_elsewhere(played, opened.session.id)
        for _ in range(2000):
            await played.store.note(Event(kind="sign_in_refused", at=played.now))
        assert await waiting.end() is SessionRevoked


async def _silent(**_: Any) -> list[Any]:
    return []


async def test_a_thousand_have_one_task_and_leave_nothing() -> None:
    """Neither a listener nor a task, however many there were; those who stay are followed."""
    with scene(PHONE, API) as played:
        mirror = played.auth._parts.mirror  # noqa: SLF001 - who listens is seen nowhere else
        others, tasks = len(mirror._listeners), len(asyncio.all_tasks())  # noqa: SLF001
        ended: dict[int, CounterfoilError] = {}
        opened = [await played.open("ann", "phone"), await played.open("bob", "api")]
        found = [await played.check(each) for each in opened]
        leaves = [
            follow(played.auth.holding, found[number % 2], partial(ended.setdefault, number))
            for number in range(1000)
        ]
        assert len(mirror._listeners) == others + 1  # noqa: SLF001
        await come_true(lambda: len(asyncio.all_tasks()) == tasks + 1)  # no record is being read
        for leave in leaves[500:]:
            leave()
            leave()
        await played.auth.revoke(opened[0].session.id)
        await come_true(lambda: set(ended) == set(range(0, 500, 2)))
        await played.auth.claims_changed("bob")
        await come_true(lambda: set(ended) == set(range(500)))
        assert {type(ended[number]) for number in range(1, 500, 2)} == {ClaimsStale}
        assert len(mirror._listeners) == others  # noqa: SLF001
        await come_true(lambda: len(asyncio.all_tasks()) == tasks)


def test_a_loop_that_was_closed_over_its_connections_is_forgotten() -> None:
    """By the next one, in a process that has several."""
    with scene(API) as played:
        left: list[CounterfoilError] = []

        async def connect() -> None:
            found = await played.check(await played.auth.open("ann"))
            follow(played.auth.holding, found, left.append)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(connect())
        (watch,) = live_watch._watches.values()  # noqa: SLF001
        watch._sweeping.cancel()  # noqa: SLF001 - as a loop that is closed in order would
        loop.close()

        async def connect_again() -> None:
            found = await played.check(await played.auth.open("ann"))
            follow(played.auth.holding, found, left.append)()

        asyncio.run(connect_again())
        assert left == []


# When it cannot know.


async def test_a_session_whose_record_cannot_be_read_ends_after_max_staleness() -> None:
    """Not before: a store that is back in time has signed nobody out."""
    playing, face = cut(PHONE, API)
    with playing as played:
        _, waiting = await open_and_wait(played, client_id="phone")
        for _ in range(2):
            face.failing = {"look_up", "feed"}
            played.clock.advance(9 * SECOND)
            assert await waiting.goes_on()
            face.failing = set()
            played.read_on()
            assert await waiting.goes_on()
        face.failing = {"look_up"}
        other = await played.auth.open("bob", client_id="api")
        await revoke_elsewhere(played, other.session.id)
        played.advance(9)
        assert await waiting.goes_on()
        played.advance(1)
        assert await waiting.end() is StoreUnavailable


@pytest.mark.parametrize("client", [PHONE, API])
async def test_a_feed_that_is_silent_ends_it_after_max_staleness(client: Client) -> None:
    """As a check of a token is refused then."""
    playing, face = cut(client)
    with playing as played:
        _, waiting = await open_and_wait(played)
        face.failing = {"feed"}
        played.clock.advance(9 * SECOND)
        assert await waiting.goes_on()
        played.clock.advance(SECOND)
        assert await waiting.end() is StatusStale


async def test_a_process_that_stood_still_reads_before_it_ends_anything() -> None:
    """A machine that slept, or a loop that was held up: nobody has asked in the meantime."""
    with scene(PHONE, API) as played:
        opened, waiting = await open_and_wait(played, client_id="phone")
        other = await played.auth.open("bob", client_id="api")
        await revoke_elsewhere(played, other.session.id)
        played.advance(60)
        assert await waiting.goes_on()
        await played.auth.revoke(opened.session.id)
        assert await waiting.end() is SessionRevoked


async def test_a_read_that_hangs_holds_nobody_else_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and tried again."""
    monkeypatch.setattr(live_watch, "READ_WITHIN", 0.02)
    playing, face = cut(PHONE, API)
    with playing as played:
        session = await played.auth.open("ann", client_id="phone")
        hybrid = await played.auth.open("bob", client_id="api")
        slow = Waiting(played.auth, await played.check(session))
        other = Waiting(played.auth, await played.check(hybrid))
        assert await slow.goes_on()
        face.hangs = True
        await revoke_elsewhere(played, session.session.id, hybrid.session.id)
        assert await other.end() is SessionRevoked
        assert await slow.goes_on()
        face.hangs = False
        assert await slow.end() is SessionRevoked


async def test_keys_that_are_not_known_well_enough_end_what_they_signed() -> None:
    """Sessions do not rest on them."""

    class Old(MemoryKeys):
        is_old = False

        def public_keys(self) -> Any:
            if self.is_old:
                raise KeysStale
            return super().public_keys()

    keys = Old()
    with scene(PARTNER, PHONE, keys=keys) as played:
        signed, session = [
            Waiting(played.auth, await played.check(await played.open("ann", client_id)))
            for client_id in ("partner", "phone")
        ]
        keys.is_old = True
        assert await signed.end() is KeysStale
        assert await session.goes_on()
        await session.leave()


async def test_where_nobody_can_be_asked_about_everybody_is_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault may let nothing pass; the log has it."""
    with scene(API) as played:
        _, waiting = await open_and_wait(played)
        monkeypatch.setattr(played.auth.keys, "public_keys", lambda: 1 / 0)
        assert await waiting.end() is StatusStale
    (line,) = caplog.records
    assert line.getMessage() == "live connections cannot be followed, and are ended"
    assert line.exc_info is not None
