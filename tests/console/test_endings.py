"""Endings that take longer than one waits: they go on, are shown, and come to the guarantee."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import live
from console.administering import Desk, console
from console.crowds import crowd
from counterfoil import Client, Counterfoil, MemoryStore
from counterfoil.clock import SystemClock
from counterfoil.drive import drive
from counterfoil.errors import ClientUnknown, Overloaded
from counterfoil.outcome import Revoked
from counterfoil.server import endings
from counterfoil.server.endings import ClientEndings
from pages.access import AXE, barriers, misplaced
from pages.visiting import place, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    with live.serving(tmp_path_factory.mktemp("crowded") / "data") as site:
        yield site


class Slow(Counterfoil):
    """Ends as fast as a test lets it."""

    def __init__(self) -> None:
        clients = [Client(client_id="web", strategy="session")]
        super().__init__(issuer="https://a.example", store=MemoryStore(), clients=clients)
        self.goes_on = asyncio.Event()
        self.fails = False
        self.asked = 0

    async def revoke_client(
        self, client_id: str, *, progress: Callable[[int], None] | None = None
    ) -> Revoked:
        self.asked += 1
        assert progress is not None
        progress(50)
        await self.goes_on.wait()
        if self.fails:
            raise Overloaded
        return await super().revoke_client(client_id, progress=progress)


async def test_what_is_over_soon_is_answered_and_what_fails_soon_raises() -> None:
    """As if it were awaited."""
    auth = Slow()
    auth.goes_on.set()
    ending = ClientEndings(auth)
    assert await ending.end("web") == Revoked(count=0)
    assert await ending.is_over("web", began=auth.clock.now())
    with pytest.raises(ClientUnknown):
        await ending.end("nobody")
    await auth.close()


async def test_what_takes_long_goes_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for again meanwhile, it is the same one; how far it is can be told."""
    monkeypatch.setattr(endings, "SOON", 0.01)
    auth = Slow()
    ending = ClientEndings(auth)
    assert (await ending.end("web"), await ending.end("web")) == (None, None)
    assert (auth.asked, ending.done("web"), ending.has_failed("web")) == (1, 50, False)
    auth.goes_on.set()
    assert await ending.end("web") == Revoked(count=0)
    assert ending.done("other") is None
    await auth.close()


async def test_one_that_was_broken_off_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a failure, and by the server's end; it can be begun again."""
    monkeypatch.setattr(endings, "SOON", 0.01)
    auth = Slow()
    ending, auth.fails = ClientEndings(auth), True
    assert await ending.end("web") is None
    auth.goes_on.set()
    await asyncio.sleep(0.01)
    assert ending.has_failed("web")
    auth.fails = False
    auth.goes_on.clear()
    assert await ending.end("web") is None
    assert (auth.asked, ending.has_failed("web")) == (2, False)
    await ending.close()
    assert ending.has_failed("web")
    await auth.close()


def test_a_long_one_is_shown_until_it_holds(
    browser: Browser, crowded: live.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is answered at once; the page counts, and then tells the guarantee."""
    monkeypatch.setattr(endings, "SOON", 0.05)
    crowd(crowded, 9_000)
    with console(browser, crowded, "/admin/clients/partner/end-sessions") as (page, person):
        page.locator("#password").fill(person.password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/ended")
        assert "It is under way" in page.get_by_role("status").inner_text()
        page.evaluate(AXE)
        assert [*barriers(page), *misplaced(page, 320, 100)] == []

        def told() -> str:
            return page.get_by_role("status").inner_text()

        live.until(lambda: "sessions were ended" in told())
        assert told().startswith("3,000 sessions were ended.")


def test_another_process_tells_by_the_store(crowded: live.Site) -> None:
    """Whoever does not do it itself knows whether any are left."""
    assert crowded.server is not None
    desk, auth = Desk.at(crowded), crowded.server.auth
    device = crowded.person().sign_in("phone")
    before = SystemClock().now() - timedelta(minutes=1)
    after = SystemClock().now() + timedelta(minutes=1)

    async def over() -> tuple[bool, bool]:
        elsewhere = ClientEndings(auth)
        return (
            await elsewhere.is_over("phone", began=before),
            await elsewhere.is_over("phone", began=after),
        )

    assert drive(over()) == (True, False)
    assert place(desk.confirmed("/admin/clients/phone/end-sessions")) == "/admin/ended"
    assert device.who().code == "session_revoked"
    assert "1 session was ended." in text_of(desk.get("/admin/ended"))
