"""BlockingCounterfoil: the same verbs as plain calls, for several threads, inside a loop too."""

from __future__ import annotations

import asyncio
import inspect
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import BlockingCounterfoil, Counterfoil, JwtStrategy, MemoryStore
from counterfoil.drive import drive
from counterfoil.errors import (
    ConfigurationError,
    NotRevocable,
    RefreshReused,
    SessionRevoked,
    SubjectSuspended,
)
from counterfoil.testing.clock import FrozenClock
from scenes import (
    CLIENTS,
    EVERY_ID,
    ISSUER,
    KEYS,
    SECOND,
    START,
    Roles,
    Waiting,
    credential,
    handle,
    texts_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

VERBS = sorted(
    name for name, _ in inspect.getmembers(Counterfoil, callable) if not name.startswith("_")
)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(now=START)


@pytest.fixture
def auth(clock: FrozenClock) -> Iterator[BlockingCounterfoil]:
    engine = blocking(clock=clock)
    yield engine
    engine.close()


def blocking(**settings: Any) -> BlockingCounterfoil:
    settings = {"store": MemoryStore(), "clients": CLIENTS, "keys": KEYS, **settings}
    return BlockingCounterfoil(issuer=ISSUER, **settings)


def of(function: Any) -> list[str]:
    """A signature without what `await` makes of the answer."""
    return [str(each) for each in inspect.signature(function).parameters.values()]


def test_it_has_the_same_words() -> None:
    """Every verb and property, with the same arguments; and no more."""

    def names(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert names(BlockingCounterfoil) == names(Counterfoil)
    for verb in [*VERBS, "__init__"]:
        assert of(getattr(BlockingCounterfoil, verb)) == of(getattr(Counterfoil, verb)), verb


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_is_left_to_be_awaited(verb: str) -> None:
    """A forgotten `drive` would be a revocation that never ran."""
    assert not inspect.iscoroutinefunction(getattr(BlockingCounterfoil, verb))


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_a_session_lives_and_ends(
    auth: BlockingCounterfoil, clock: FrozenClock, client_id: str
) -> None:
    """Open, check, confirm, refresh, step up, list, change, revoke: without a loop."""
    before = auth.subject("ann")
    opened = auth.open("ann", client_id=client_id, expected=before, device="Firefox", address="::1")
    assert (opened.session.device, opened.session.address) == ("Firefox", "::1")
    assert auth.check(credential(opened), audience=client_id).subject == "ann"
    assert auth.confirm(credential(opened)).subject == "ann"
    if opened.credential.refresh_handle:
        assert auth.check_token(credential(opened)).subject == "ann"
    renewed = auth.refresh(handle(opened), client_id=client_id)
    stepped = auth.step_up(credential(renewed))
    assert auth.sessions("ann") == [auth.session(opened.session.id)] == [stepped.session]
    assert auth.claims_changed("ann").count == 1
    assert auth.suspend("ann").count == 1
    with pytest.raises(SubjectSuspended):
        auth.refresh(handle(stepped))
    assert auth.reinstate("ann").count == 1
    assert auth.revoke(opened.session.id).count == 1
    assert auth.revoke_presented(handle(opened)).count == 0
    assert auth.revoke_all("ann").count == 0
    assert auth.revoke_client(client_id).count == 0
    with pytest.raises(SessionRevoked):
        auth.refresh(handle(stepped))
    clock.advance(SECOND)
    assert (auth.issuer, auth.clock, auth.keys) == (ISSUER, clock, KEYS)
    assert set(auth.clients) == set(EVERY_ID)
    assert isinstance(auth.store, MemoryStore)


async def test_it_works_inside_a_running_loop(auth: BlockingCounterfoil) -> None:
    """Django's ORM code is called from one, and a coroutine that never suspends needs none."""
    assert auth.check(credential(auth.open("ann", client_id="api"))).subject == "ann"


def test_threads_refresh_to_one_successor(auth: BlockingCounterfoil) -> None:
    """Really parallel ones: twenty threads, one handle."""
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for client_id in EVERY_ID:
            opened = auth.open("ann", client_id=client_id)
            with ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(auth.refresh, [handle(opened)] * 40))
            assert len(texts_of(answers)) == 1
            assert auth.session(opened.session.id).generation == 1
    finally:
        sys.setswitchinterval(switching)


def test_threads_never_get_the_same_index(auth: BlockingCounterfoil) -> None:
    """Nor the same session id."""
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda n: auth.open(f"user-{n}", client_id="api"), range(200)))
    entries = {(i.list_id, i.index) for each in opened for i in each.session.indices}
    assert len(entries) == len({each.session.id for each in opened}) == 200


def test_a_spent_handle_ends_the_family_here_too(
    auth: BlockingCounterfoil, clock: FrozenClock
) -> None:
    """The rules are the same ones."""
    opened = auth.open("ann", client_id="phone")
    auth.refresh(handle(opened))
    clock.advance(timedelta(seconds=10))
    with pytest.raises(RefreshReused):
        auth.check(credential(opened))


class OnlyAwaited(MemoryStore):
    """A store without a blocking face."""

    def blocking(self) -> MemoryStore:
        return Waiting(self)  # type: ignore[return-value]


class Faceless(MemoryStore):
    """A store that says so."""

    def blocking(self) -> MemoryStore:
        raise ConfigurationError("Use Counterfoil with this store.")


@pytest.mark.parametrize("store", [OnlyAwaited(), Faceless()], ids=["suspends", "refuses"])
def test_a_store_that_can_only_be_awaited_is_refused_when_it_is_built(store: MemoryStore) -> None:
    """Found out at its first write, that write would already be done."""
    with pytest.raises(ConfigurationError, match="Counterfoil"):
        blocking(store=store)


def test_what_is_no_store_is_refused_when_it_is_built() -> None:
    """A path is not one."""
    wrong: Any = "app.db"
    with pytest.raises(ConfigurationError, match="SqliteStore"):
        blocking(store=wrong)


def test_an_async_claims_source_is_refused_when_it_is_built() -> None:
    """It could not be awaited."""

    async def source(subject: str) -> list[str]:
        return [subject]

    with pytest.raises(ConfigurationError, match="async"):
        blocking(claims=source)


def test_a_claims_source_that_suspends_after_all_changes_nothing() -> None:
    """An object hides that it is one; found out before the commit, and said in a sentence."""

    class Source:
        async def __call__(self, subject: str) -> list[str]:
            await asyncio.sleep(0)
            return [subject]

    auth = blocking(claims=Source())
    with pytest.raises(ConfigurationError, match="loop"):
        auth.open("ann", client_id="api")
    assert auth.sessions("ann") == []


def test_a_claims_source_is_asked() -> None:
    """A plain function."""
    roles = Roles({"ann": ["admin"]})
    auth = blocking(claims=roles)
    assert auth.check(credential(auth.open("ann", client_id="partner"))).roles == ("admin",)


def test_it_works_without_a_store() -> None:
    """As the other does: `jwt` alone."""
    auth = BlockingCounterfoil(issuer=ISSUER, strategy=JwtStrategy(audience="app"), keys=KEYS)
    opened = auth.open("ann")
    assert auth.check(opened.credential.token).subject == "ann"
    with pytest.raises(NotRevocable):
        auth.revoke(opened.session.id)


def test_driving_returns_raises_or_refuses() -> None:
    """What the coroutine does, as if it had been called."""

    async def seven() -> int:
        return 7

    async def fails() -> None:
        raise LookupError("why")

    assert drive(seven()) == 7
    with pytest.raises(LookupError, match="why"):
        drive(fails())
