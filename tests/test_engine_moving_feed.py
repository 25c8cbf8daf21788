"""Which verbs move the feed: those after which a store that was put back is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.errors import RefreshReused
from scenes import CLIENTS, SECOND, credential, handle, scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from counterfoil import Client, Opened
    from scenes import Scene

    Verb = Callable[[Scene, Opened], Awaitable[object]]


async def number(s: Scene) -> int:
    return (await s.store.feed(None, now=s.now)).position.number


async def reused(s: Scene, opened: Opened) -> None:
    await s.auth.refresh(handle(opened))
    s.clock.advance(11 * SECOND)
    with pytest.raises(RefreshReused):
        await s.auth.refresh(handle(opened))


WITHDRAWING: dict[str, Verb] = {
    "revoke": lambda s, opened: s.auth.revoke(opened.session.id),
    "sign out": lambda s, opened: s.auth.revoke_presented(handle(opened)),
    "revoke all": lambda s, opened: s.auth.revoke_all(opened.session.subject),
    "revoke all but this": lambda s, opened: s.auth.revoke_all(
        opened.session.subject, keep=opened.session.id
    ),
    "revoke client": lambda s, opened: s.auth.revoke_client(opened.session.client_id),
    "suspend": lambda s, opened: s.auth.suspend(opened.session.subject),
    "reinstate": lambda s, opened: s.auth.reinstate(opened.session.subject),
    "claims changed": lambda s, opened: s.auth.claims_changed(opened.session.subject),
    "step up": lambda s, opened: s.auth.step_up(credential(opened)),
    "a spent handle": reused,
}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.client_id)
@pytest.mark.parametrize("verb", WITHDRAWING.values(), ids=WITHDRAWING.keys())
async def test_what_withdraws_trust_moves_the_feed(client: Client, verb: Verb) -> None:
    """Though no status index changes, as with `session`: its undoing shall be noticed too."""
    with scene(client) as s:
        opened = await s.open(client_id=client.client_id)
        before = await number(s)
        await verb(s, opened)
        assert await number(s) > before


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.client_id)
async def test_what_gives_trust_moves_nothing(client: Client) -> None:
    """Sign-ins, refreshes and checks: verifiers need not hear of each."""
    with scene(client) as s:
        opened = await s.open(client_id=client.client_id)
        again = await s.auth.refresh(handle(opened))
        await s.check(again)
        assert await number(s) == 0
