"""What is issued fits where it travels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil import Client, Counterfoil, MemoryStore
from counterfoil.carriers.cookie import set_cookies
from counterfoil.errors import ClaimsTooLarge
from counterfoil.testing import FrozenClock
from scenes import KEYS, Roles, credential, scene

if TYPE_CHECKING:
    from counterfoil.client import Algorithm

SPA = Client(client_id="spa", strategy="hybrid", carrier="cookie")
KIOSK = Client(client_id="kiosk", strategy="jwt", carrier="cookie")
API = Client(client_id="api", strategy="hybrid")


async def test_claims_that_no_cookie_could_carry_cost_nobody_their_handle() -> None:
    """The fault is the claims source's, and is said before anything is committed."""
    roles = Roles({"ann": ["reader"]})
    with scene(SPA, KIOSK, API, claims=roles) as s:
        for client_id in ("spa", "kiosk"):
            opened = await s.open("ann", client_id)
            roles.of["ann"] = [f"{number:064}" for number in range(50)]
            for renew in (s.open("ann", client_id), s.refresh(opened)):
                with pytest.raises(ClaimsTooLarge, match="4096 bytes"):
                    await renew
            with pytest.raises(ClaimsTooLarge, match="4096 bytes"):
                await s.auth.step_up(credential(opened))
            assert (await s.record(opened)).generation == 0
            assert len(await s.auth.sessions("ann")) == 1
            await s.open("ann", "api")
            roles.of["ann"] = ["reader"]
            await s.check(await s.refresh(opened))
            await s.auth.revoke_all("ann")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
async def test_every_token_of_a_cookie_client_fits_into_a_cookie(algorithm: Algorithm) -> None:
    """Whatever the claims, it is refused before it is issued or a browser keeps it."""
    longest = Client(
        client_id="c" * 32,
        audience='"' * 255,
        strategy="hybrid",
        carrier="cookie",
        algorithm=algorithm,
        typ="t" * 64,
    )
    clients = [longest, Client(client_id="c", strategy="jwt", carrier="cookie")]
    auth = Counterfoil(
        issuer=f"https://{'a' * 170}.example/{'b' * 13}",
        store=MemoryStore(),
        clients=clients,
        keys=KEYS,
        clock=FrozenClock(),
    )
    outcomes = set()
    for client, subject in zip(clients, ('"' * 255, "ann"), strict=True):
        for size in (0, 100, 190, *range(200, 4000, 50)):
            try:
                opened = await auth.open(
                    subject, client_id=client.client_id, claims={"x": "y" * size}
                )
            except ClaimsTooLarge:
                outcomes.add("refused")
            else:
                outcomes.add("issued")
                assert set_cookies(opened.credential, now=auth.clock.now())
    assert outcomes == {"refused", "issued"}
    await auth.close()
