"""The same races through the engine: what people see when two come at once."""

# ruff: noqa: S101 - pytest's word is assert

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.client import Client
from counterfoil.engine import Counterfoil
from counterfoil.errors import (
    AuthError,
    ClaimsStale,
    SessionRevoked,
    SignInRefused,
    SubjectSuspended,
)
from counterfoil.outcome import Opened
from counterfoil.stores.memory import MemoryKeys
from counterfoil.testing.clock import FrozenClock
from counterfoil.testing.records import NOW
from counterfoil.testing.store_contract.together import ByTasks, ByThreads, Together, eager_threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from counterfoil.ports import Store

ROUNDS = 5


@cache
def keys() -> MemoryKeys:
    """Made once: an RSA key costs more than a test."""
    return MemoryKeys()


class Race:
    """An engine, and several of its verbs at once."""

    def __init__(self, together: Together, client_id: str) -> None:
        self._together = together
        self.roles: list[str] = ["reader"]
        self.auth = Counterfoil(
            issuer="https://auth.example",
            store=together.face,
            clients=[Client(client_id="web", strategy="session")]
            if client_id == "web"
            else [Client(client_id="api", strategy="hybrid")],
            claims=lambda _: {"roles": list(self.roles)},
            keys=keys(),
            clock=FrozenClock(now=NOW),
        )

    async def run(self, *verbs: Coroutine[Any, Any, Any]) -> list[Any]:
        """What each came to: its answer, or the refusal."""
        return await self._together(*map(_outcome, verbs))

    async def refused(self, opened: Opened) -> AuthError | None:
        """Why the credential does not pass, or None."""
        outcome = await _outcome(self.auth.check(opened.credential.token))
        return outcome if isinstance(outcome, AuthError) else None


async def _outcome(verb: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await verb
    except AuthError as why:
        return why


def handle_of(opened: Opened) -> str:
    return opened.credential.refresh_handle or opened.credential.token


class EngineRaces:
    """What is promised to people when two come at once."""

    @pytest.fixture(params=["session tasks", "session threads", "hybrid tasks", "hybrid threads"])
    async def race(self, request: pytest.FixtureRequest, store: Store) -> AsyncIterator[Race]:
        strategy, how = request.param.split()
        together = ByTasks(store) if how == "tasks" else ByThreads(store)
        race = Race(together, "web" if strategy == "session" else "api")
        with eager_threads():
            yield race
        await race.auth.close()

    async def test_parallel_refreshes_all_succeed_with_one_successor(self, race: Race) -> None:
        """Tabs that refresh at once stay signed in, and the family has one new generation."""
        for _ in range(ROUNDS):
            opened = await race.auth.open("ann")
            renewed = await race.run(*(race.auth.refresh(handle_of(opened)) for _ in range(6)))
            assert all(isinstance(each, Opened) for each in renewed), renewed
            assert len({handle_of(each) for each in renewed}) == 1
            assert (await race.auth.session(opened.session.id)).generation == 1
            assert [await race.refused(each) for each in renewed] == [None] * len(renewed)
            line, *_ = [
                line
                for line in await race.auth.store.trail(limit=10_000)
                if line.event.session_id == opened.session.id
                and line.event.kind == "session_refreshed"
            ]
            assert line.event.detail == {"generation": 1}

    async def test_no_credential_outlives_a_revocation_that_raced_with_its_refresh(
        self, race: Race
    ) -> None:
        """Whatever the refresh came to, nothing that it issued passes afterwards."""
        for _ in range(ROUNDS):
            opened = await race.auth.open("ann")
            done, *renewed = await race.run(
                race.auth.revoke(opened.session.id),
                *(race.auth.refresh(handle_of(opened)) for _ in range(3)),
            )
            assert done.count == 1
            for each in (opened, *renewed):
                why = await race.refused(each) if isinstance(each, Opened) else each
                assert isinstance(why, SessionRevoked)

    async def test_no_use_undoes_a_revocation(self, race: Race) -> None:
        """Checks that come between note their use, and the session stays ended."""
        for _ in range(ROUNDS):
            opened = await race.auth.open("ann")
            done, *_ = await race.run(
                race.auth.revoke(opened.session.id),
                *(race.auth.check(opened.credential.token) for _ in range(4)),
            )
            assert done.count == 1
            assert isinstance(await race.refused(opened), SessionRevoked)

    async def test_a_sign_in_under_way_does_not_outlive_a_revocation_of_all(
        self, race: Race
    ) -> None:
        """Nor a changed password, which is the same with one session kept."""
        kept = await race.auth.open("ann")
        for _ in range(ROUNDS):
            proved = await race.auth.subject("ann")
            done, *signed_in = await race.run(
                race.auth.revoke_all("ann", keep=kept.session.id),
                *(race.auth.open("ann", expected=proved) for _ in range(3)),
            )
            assert await race.refused(kept) is None
            assert done.count == sum(isinstance(each, Opened) for each in signed_in)
            for each in signed_in:
                why = await race.refused(each) if isinstance(each, Opened) else each
                assert isinstance(why, SessionRevoked | SignInRefused)

    async def test_a_sign_in_under_way_does_not_escape_a_suspension(self, race: Race) -> None:
        """No credential passes from then on, and reinstating revives those that were issued."""
        for _ in range(ROUNDS):
            proved = await race.auth.subject("ann")
            _, *signed_in = await race.run(
                race.auth.suspend("ann"),
                *(race.auth.open("ann", expected=proved) for _ in range(3)),
            )
            for each in signed_in:
                why = await race.refused(each) if isinstance(each, Opened) else each
                assert isinstance(why, SubjectSuspended | SignInRefused)
            await race.auth.reinstate("ann")
            for each in signed_in:
                assert not isinstance(each, Opened) or await race.refused(each) is None

    async def test_no_old_claims_pass_after_a_change_that_raced_with_a_refresh(
        self, race: Race
    ) -> None:
        """What was issued meanwhile carries the new claims, or is refused as stale."""
        opened = await race.auth.open("ann")
        for number in range(ROUNDS):

            async def change(role: str) -> None:
                race.roles = [role]
                await race.auth.claims_changed("ann")

            role = f"role-{number}"
            _, *renewed = await race.run(
                change(role), *(race.auth.refresh(handle_of(opened)) for _ in range(3))
            )
            for each in (opened, *renewed):
                outcome = await _outcome(race.auth.check(each.credential.token))
                stale = isinstance(outcome, ClaimsStale)
                assert stale or outcome.claims == {"roles": [role]}
            opened = renewed[0]
