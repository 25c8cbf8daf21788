"""An engine whose store is put back from a copy answers nothing from it until that is declared."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import BlockingCounterfoil, Counterfoil, MemoryStore, SessionStrategy
from counterfoil.drive import drive
from counterfoil.errors import (
    AuthError,
    ConfigurationError,
    RestoreUndeclared,
    SignInRefused,
    StoreUnavailable,
)
from counterfoil.feeds import local
from restoring import copied
from scenes import API, CLIENTS, ISSUER, KEYS, PARTNER, PHONE, credential, handle, scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from counterfoil import Client, Opened
    from scenes import Scene

    Verb = Callable[[Scene, Opened], Awaitable[object]]

VERBS: dict[str, Verb] = {
    "open": lambda s, opened: s.open(client_id=opened.session.client_id),
    "check": lambda s, opened: s.check(opened),
    "confirm": lambda s, opened: s.auth.confirm(credential(opened)),
    "introspect": lambda s, opened: s.auth.introspect(credential(opened)),
    "refresh": lambda s, opened: s.refresh(opened),
    "step up": lambda s, opened: s.auth.step_up(credential(opened)),
    "revoke": lambda s, opened: s.auth.revoke(opened.session.id),
    "sign out": lambda s, opened: s.auth.revoke_presented(handle(opened)),
    "revoke all": lambda s, opened: s.auth.revoke_all(opened.session.subject),
    "revoke client": lambda s, opened: s.auth.revoke_client(opened.session.client_id),
    "suspend": lambda s, opened: s.auth.suspend(opened.session.subject),
    "reinstate": lambda s, opened: s.auth.reinstate(opened.session.subject),
    "claims changed": lambda s, opened: s.auth.claims_changed(opened.session.subject),
    "subject": lambda s, opened: s.auth.subject(opened.session.subject),
    "session": lambda s, opened: s.auth.session(opened.session.id),
    "sessions": lambda s, opened: s.auth.sessions(opened.session.subject),
}

of_each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.client_id)


@contextmanager
def put_back(client: Client) -> Iterator[tuple[Scene, Opened]]:
    """A session that was revoked lives again: its store is what it was before, which nobody has
    declared. The engine is one that was at work before."""
    with scene(client) as s:
        opened = drive(s.open(client_id=client.client_id))
        drive(s.check(opened))
        put_back = copied(s.store)
        drive(s.auth.revoke(opened.session.id))
        put_back()
        yield s, opened


@contextmanager
def started_after(client: Client) -> Iterator[tuple[Scene, Opened]]:
    """The same, for an engine that was started afterwards."""
    with (
        put_back(client) as (before, opened),
        scene(client, store=before.store, clock=before.clock) as s,
    ):
        yield s, opened


@of_each_client
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
async def test_an_engine_that_starts_on_a_copy_refuses_everything(
    client: Client, verb: Verb
) -> None:
    """Whatever the strategy: also a token that nothing needs to be read for, and also what would
    only be read. It says what to do."""
    with started_after(client) as (s, opened):
        with pytest.raises(RestoreUndeclared):
            await verb(s, opened)
        with pytest.raises(RestoreUndeclared, match="put back from a copy") as refused:
            await verb(s, opened)
        assert refused.value.code == StoreUnavailable.code
        assert "counterfoil restore" in refused.value.next_step
        assert refused.value.retry_after is not None


@of_each_client
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
async def test_an_engine_at_work_refuses_everything_once_it_has_read(
    client: Client, verb: Verb
) -> None:
    """A mirror that is fresh does not help a token, nor that the record can be read."""
    with put_back(client) as (s, opened):
        feed = s.auth._parts.feed  # noqa: SLF001 - as its thread does, or the next write
        assert feed is not None
        with pytest.raises(RestoreUndeclared):
            feed.catch_up()
        with pytest.raises(RestoreUndeclared):
            await verb(s, opened)


@of_each_client
async def test_nothing_is_written_to_a_copy(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before anybody has noticed: what writes looks first, or the number that is missing would
    be given out again. A thread that has just looked is as good."""
    monkeypatch.setattr(local, "EVERY", 3600)
    with put_back(client) as (s, opened):
        feed = s.auth._parts.feed  # noqa: SLF001 - as below
        assert feed is not None
        feed._pid = 0  # noqa: SLF001 - no thread looks in this process
        before = await s.store.feed(None, now=s.now)
        for name in ("open", "refresh", "revoke", "suspend", "claims changed"):
            feed.is_unproven = False
            with pytest.raises(RestoreUndeclared):
                await VERBS[name](s, opened)
        assert await s.store.feed(None, now=s.now) == before


async def revived(s: Scene, client_id: str) -> Opened:
    """A session that was revoked and lives again in a copy, which nobody has noticed so far."""
    opened = await s.open(client_id=client_id)
    put_back = copied(s.store)
    await s.auth.revoke(opened.session.id)
    put_back()
    s.clock.advance(timedelta(seconds=local.REST))
    return opened


@pytest.mark.parametrize("name", ["check", "confirm", "introspect", "refresh"])
async def test_without_a_thread_a_check_looks_now_and_then(name: str) -> None:
    """Where no token needs one: five times a second, not at each turn."""
    with scene(PHONE) as s:
        opened = await revived(s, "phone")
        with pytest.raises(RestoreUndeclared):
            await VERBS[name](s, opened)


async def test_a_confirmation_looks_too() -> None:
    """Of a plain JWT, which is looked up only then."""
    with scene(PARTNER) as s:
        opened = await revived(s, "partner")
        await s.check(opened)
        with pytest.raises(RestoreUndeclared):
            await s.auth.confirm(credential(opened))
        with pytest.raises(RestoreUndeclared):
            await s.check(opened)


async def test_a_check_reads_nothing_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are in a fifth of a second."""
    feed = MemoryStore.feed
    reads: list[object] = []

    async def counted(self: MemoryStore, after: Any, **more: Any) -> Any:
        if threading.current_thread() is threading.main_thread():  # not of some earlier test's feed
            reads.append(after)
        return await feed(self, after, **more)

    with scene(PHONE) as s:
        opened = await s.open(client_id="phone")
        monkeypatch.setattr(MemoryStore, "feed", counted)
        for _ in range(100):
            await s.check(opened)
        assert reads == []


async def test_a_process_without_a_token_has_no_thread() -> None:
    """Sessions and plain JWTs are looked up, or stand for themselves."""
    for client in (PHONE, PARTNER):
        with scene(client) as s:
            opened = await s.open(client_id=client.client_id)
            await s.check(opened)
            await s.auth.revoke(opened.session.id)
            assert s.auth._parts.feed._pid == 0  # type: ignore[union-attr] # noqa: SLF001 - it says so


@of_each_client
async def test_once_it_is_declared_everything_goes_on(client: Client) -> None:
    """Without a restart, in every process; what was opened before is ended, for good, except that a
    plain JWT is not looked up."""
    with put_back(client) as (s, opened), started_after(client) as (other, _):
        del other
        with scene(client, store=s.store, clock=s.clock) as late:
            for each in (late, s):
                with pytest.raises(RestoreUndeclared):
                    each.auth._parts.feed.catch_up()  # type: ignore[union-attr] # noqa: SLF001 - reads
            assert await late.auth.declare_restore() == 1
            for each in (s, late):
                if client.strategy == "jwt":
                    await each.check(opened)
                else:
                    with pytest.raises(AuthError):
                        await each.check(opened)
                with pytest.raises(AuthError):
                    await each.refresh(opened)
                again = await each.open(client_id=client.client_id)
                await each.check(again)
                await each.check(await each.refresh(again))


async def test_indices_of_a_former_epoch_are_given_out_no_more() -> None:
    """An engine has reserved some; a token with one of them would name a list that is dropped."""
    with put_back(API) as (s, _), scene(API, store=s.store, clock=s.clock) as other:
        await other.auth.declare_restore()
        for _ in range(100):
            await other.check(opened := await s.open())
            await s.check(opened)


async def test_a_sign_in_that_was_under_way_comes_too_late() -> None:
    """Its password was checked against the store that was there before."""
    with scene(PHONE) as s:
        await s.open(client_id="phone")
        put_back = copied(s.store)
        proved = []
        for _ in range(5):
            proved.append(await s.auth.subject("ann"))
            await s.auth.revoke_all("ann")
        put_back()
        await s.auth.declare_restore()
        for each in proved:
            with pytest.raises(SignInRefused):
                await s.open(client_id="phone", expected=each)
        await s.open(client_id="phone", expected=await s.auth.subject("ann"))


async def test_a_restore_that_is_declared_while_an_engine_commits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it had read is of a former epoch, so it decides again, on what there is."""
    with scene(API) as s:
        opened = await s.open()
        look_up = MemoryStore.look_up
        declared: list[int] = []

        async def declaring(self: MemoryStore, session_id: str) -> Any:
            found = await look_up(self, session_id)
            if not declared:
                declared.append(await s.auth.declare_restore())
            return found

        monkeypatch.setattr(MemoryStore, "look_up", declaring)
        done = await s.auth.revoke(opened.session.id)
        assert (declared, done.count) == ([1], 0)
        record = await s.auth.session(opened.session.id)
        assert record.ended_because == "restored"


async def test_the_trail_says_it(caplog: pytest.LogCaptureFixture) -> None:
    """And the log: once when it was noticed, however many were refused, and when it was over."""
    caplog.set_level(logging.WARNING, logger="counterfoil.feed")
    with started_after(PHONE) as (s, opened):
        for _ in range(5):
            with pytest.raises(RestoreUndeclared):
                await s.check(opened)
        told: list[int] = []
        assert await s.auth.declare_restore(progress=told.append) == 1
        assert told[-1] == 1
        (event,) = [each for each in await s.trail() if each.kind == "store_restored"]
        assert event.detail == {"because": "restored", "sessions": 1}
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]


def test_it_is_declared_without_a_loop_too() -> None:
    """In the words of `BlockingCounterfoil`."""
    auth = BlockingCounterfoil(
        store=MemoryStore(), issuer=ISSUER, strategy=SessionStrategy(carrier="bearer"), keys=KEYS
    )
    auth.open("ann")
    assert auth.declare_restore() == 1
    auth.close()


async def test_without_a_store_there_is_nothing_to_declare() -> None:
    """It says so, as wrong set-up."""
    auth = Counterfoil(issuer=ISSUER, clients=[PARTNER], keys=KEYS)
    with pytest.raises(ConfigurationError, match="here is none"):
        await auth.declare_restore()


async def test_a_store_that_can_only_be_awaited_serves_sessions() -> None:
    """Without a blocking face nobody can look at its position at every turn: then a restore is not
    noticed, and `hybrid`, which needs that face, is refused when it is built."""

    class Faceless(MemoryStore):
        def blocking(self) -> MemoryStore:
            raise ConfigurationError("Use another store.")

    with scene(PHONE, store=Faceless()) as s:
        opened = await s.open(client_id="phone")
        await s.check(opened)
        assert (await s.auth.revoke(opened.session.id)).count == 1
        assert await s.auth.declare_restore() == 0
    with pytest.raises(ConfigurationError), scene(API, store=Faceless()):
        pass
