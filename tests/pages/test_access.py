"""Everybody can use the pages: by keyboard, on a phone, in the dark, with large text, with help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import live
from pages.access import AXE, LAYOUTS, OUTLINE, SPACED, barriers, misplaced
from pages.browsing import devices, fill, focused, gets_focus, tab
from pages.visiting import somebody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

NAMES = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1",
    "A" * 40 + "/1.0",
)


class Sites(NamedTuple):
    """Servers that differ in what they can do."""

    open: live.Site
    closed: live.Site
    gone: live.Site
    bare: live.Site


@pytest.fixture(scope="module")
def sites(site: live.Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("sites")
    with (
        live.serving(folder / "closed", registration="closed") as closed,
        live.serving(folder / "gone") as gone,
        live.serving(folder / "bare", pages_client="front") as bare,
    ):
        assert gone.server is not None
        gone.server.store.rows.database.close()
        yield Sites(site, closed, gone, bare)


def tour(page: Page, sites: Sites) -> Iterator[str]:
    """Takes the page through every page and state, with the longest identifier and many devices."""
    site, identifier = sites.open, somebody().ljust(255, "x")
    page.goto(f"{site.url}/login")
    yield "sign-in"
    fill(page, identifier=identifier, password=live.WRONG)
    yield "sign-in refused"
    page.goto(f"{site.url}/register")
    yield "registration"
    fill(page, identifier=identifier, password="too short")
    yield "registration refused"
    fill(page, password=live.PASSWORD)
    yield "account, registered"
    for name in NAMES:
        sent = {"client_id": "api", "identifier": identifier, "password": live.PASSWORD}
        site.call("POST", "/v1/sessions", sent, {"User-Agent": name})
    page.reload()
    yield "account with many devices"
    devices(page).last.get_by_role("button").click()
    yield "device signed out"
    fill(page, current=live.PASSWORD, new="qwertyuiop123456")
    yield "password refused"
    fill(page, current=live.PASSWORD, new=live.OTHER)
    yield "password changed"
    page.goto(f"{site.url}/account/not-me")
    yield "a new password asked for"
    page.goto(f"{site.url}/account")
    page.get_by_role("button", name="Sign out", exact=True).click()
    yield "signed out"
    page.goto(f"{sites.closed.url}/register")
    yield "registration closed"
    page.goto(f"{sites.gone.url}/login")
    fill(page, identifier="ann", password=live.PASSWORD)
    yield "outage in a form"
    page.goto(f"{sites.bare.url}/login")
    yield "not set up"


def test_every_page_in_every_state(browser: Browser, sites: Sites) -> None:
    """No horizontal scroll and no target under 24 pixels, on a phone, on a desk, four times
    enlarged, with text twice as large or set wide; and no violation that axe-core finds, in light
    and dark."""
    context = browser.new_context()
    seen: dict[str, list[Any]] = {}
    try:
        page = context.new_page()
        for state in tour(page, sites):
            page.evaluate(AXE)
            seen[state] = [
                *(fault for layout in LAYOUTS for fault in misplaced(page, *layout)),
                *barriers(page),
            ]
            page.evaluate(SPACED)
            seen[state] += misplaced(page, 320, 100)
    finally:
        context.close()
    assert {state: found for state, found in seen.items() if found} == {}
    assert len(seen) == 14


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_by_keyboard_alone(
    browser: Browser,
    site: live.Site,
    script: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Tab goes through the form as it is read, always seen; Enter sends it, and signs out."""
    person = site.person()
    with tab(browser, site, java_script_enabled=script) as page:
        page.goto(f"{site.url}/login")
        order = ["identifier", "password", *(["Show"] if script else []), "Sign in", "Register"]
        for expected in order:
            page.keyboard.press("Tab")
            assert focused(page) == expected
            assert page.evaluate(OUTLINE) >= 2
        for expected in reversed(order[:-1]):
            page.keyboard.press("Shift+Tab")
            assert focused(page) == expected
        page.keyboard.type(person.identifier)
        page.keyboard.press("Tab")
        page.keyboard.type(live.WRONG)
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        gets_focus(page, "summary")
        assert page.evaluate(OUTLINE) >= 2
        for _ in range(3):  # the summary's link, the identifier, which is kept, the password
            page.keyboard.press("Tab")
        page.keyboard.type(person.password)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.url}/account")
        page.keyboard.press("Tab")
        assert focused(page) == "Sign out"
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.url}/login")


def test_a_print_has_the_words_and_no_buttons(browser: Browser, site: live.Site) -> None:
    """Who is signed in and where, on paper."""
    person = site.person()
    with tab(browser, site) as page:
        page.goto(f"{site.url}/login")
        fill(page, identifier=person.identifier, password=person.password)
        page.emulate_media(media="print")
        page.get_by_text(person.identifier).wait_for()
        assert devices(page).count() == 1
        assert page.get_by_role("button").count() == 0
