"""What an administrator does when it matters, among very many sessions."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING, Any, Final

import pytest

import live
from console.administering import Desk, console
from console.crowds import crowd
from counterfoil import Verifier
from counterfoil.errors import SessionRevoked
from counterfoil.server.operations.counted_store import CountedStore
from counterfoil.server.pages.console import listing
from pages.browsing import gets_focus
from programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from counterfoil.ports import SessionQuery, TrailLine
    from counterfoil.session import Session

MANY: Final = 100_000


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server where so many are signed in."""
    with live.serving(tmp_path_factory.mktemp("crowded") / "data") as site:
        crowd(site, MANY)
        yield site


@pytest.mark.parametrize("width", [1280, 360])
def test_an_administrator_finds_a_stolen_session_ends_it_and_sees_the_guarantee(
    browser: Browser, crowded: live.Site, width: int
) -> None:
    """Among 100,000: by the person's name, by the spent handle in its lineage; then nobody accepts
    it, and the page says since when that is certain."""
    person, ours = crowded.person(), program(crowded, "other")
    person.sign_in("web")
    stolen = person.sign_in("api")
    spent = stolen.handle
    stolen.refresh()
    thief = live.Device(person, "api", stolen.session_id, handle=spent)
    assert thief.refresh().status == 200
    client = (ours.client_id, ours.secret)
    with Verifier(issuer=crowded.url, audience="api", client=client) as verifier:
        verifier.check(thief.token)
        size = {"width": width, "height": 800}
        scheme = "dark" if width < 1000 else "light"
        with console(browser, crowded, viewport=size, color_scheme=scheme) as (page, _):
            page.get_by_role("link", name="People").click()
            page.get_by_label("Identifier begins with").fill(person.identifier[:10])
            page.keyboard.press("Enter")
            page.get_by_role("link", name=person.identifier).click()
            rows = page.get_by_role("region", name="Sessions").get_by_role("listitem")
            rows.filter(has_text="api, hybrid").get_by_role("link").click()
            lineage = page.get_by_role("region", name="Lineage")
            marked = lineage.locator(".suspicious").inner_text()
            assert "Spent handle used again within its grace" in marked
            page.get_by_role("button", name="End this session").click()
            page.wait_for_url("**/admin/ended")
            with pytest.raises(SessionRevoked):
                verifier.check(thief.token)
            assert thief.who().code == "session_revoked"
            told = page.get_by_role("status")
            gets_focus(page, told.inner_text())
            live.until(lambda: page.get_by_text("confirmed", exact=True).count() == 1)
            live.until(lambda: "The guarantee holds" in told.inner_text())


@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "/admin/sessions",
        "/admin/sessions?client=api",
        "/admin/sessions?opened=over-day",
        "/admin/sessions?opened=hour&state=all",
        "/admin/sessions?strategy=jwt",
        "/admin/sessions?device=Lynx",
        "/admin/people",
        "/admin/events",
        "/admin/events?kind=key_rotated",
        "/admin/clients",
    ],
)
def test_no_page_reads_more_for_the_number_of_sessions(
    crowded: live.Site, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks the store for what it shows, or for a bounded number, in bites."""
    desk, limits = Desk.at(crowded), list[int]()
    read, looked = CountedStore.sessions, CountedStore.trail

    async def sessions(self: CountedStore, query: SessionQuery) -> list[Session]:
        limits.append(query.limit)
        return await read(self, query)

    async def trail(self: CountedStore, **asked: Any) -> list[TrailLine]:
        limits.append(asked["limit"])
        return await looked(self, **asked)

    monkeypatch.setattr(CountedStore, "sessions", sessions)
    monkeypatch.setattr(CountedStore, "trail", trail)
    assert desk.get(path).status == 200
    assert sum(limits) <= listing.MOST_READ
    assert max(limits, default=0) <= 250


def test_paging_goes_on_to_the_oldest(crowded: live.Site) -> None:
    """From the newest, without gap or repeat, as far as one likes."""
    desk = Desk.at(crowded)
    seen: list[str] = []
    path: str | None = "/admin/sessions?client=partner&opened=over-day"
    for _ in range(5):
        assert path is not None
        text = desk.get(path).raw.decode()
        seen += [part.partition('"')[0] for part in text.split('<li id="session-')[1:]]
        path = next_of(text)
    assert len(seen) == len(set(seen)) == 250
    assert seen == sorted(seen, reverse=True)


def next_of(text: str) -> str | None:
    """Where "Older ones" leads."""
    found = text.partition('id="next" href="')[2].partition('"')[0]
    return unescape(found) or None
