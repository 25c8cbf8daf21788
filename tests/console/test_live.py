"""What keeps itself new in a browser, and leaves alone what has not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import live
from console.administering import console
from pages.browsing import focused, gets_focus

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def rows(page: Page) -> int:
    return page.get_by_role("main").get_by_role("listitem").count()


def test_a_list_shows_who_comes_and_keeps_the_focus(browser: Browser, site: live.Site) -> None:
    """A session that begins appears by itself; the button that had the focus has it still."""
    person = site.person()
    first = person.sign_in("api")
    path = f"/admin/sessions?person={person.identifier}"
    with console(browser, site, path) as (page, _):
        assert rows(page) == 1
        page.locator(f"#end-{first.session_id}").focus()
        person.sign_in("web")
        live.until(lambda: rows(page) == 2)
        assert focused(page) == f"end-{first.session_id}"


def test_updates_stop_where_that_is_wanted(browser: Browser, site: live.Site) -> None:
    """And go on again (WCAG 2.2, 2.2.2)."""
    person = site.person()
    path = f"/admin/sessions?person={person.identifier}"
    with console(browser, site, path) as (page, _):
        page.get_by_role("button", name="Pause updates").press("Enter")
        person.sign_in("api")
        page.wait_for_timeout(6_000)
        assert rows(page) == 0
        page.get_by_role("button", name="Go on updating").press("Enter")
        live.until(lambda: rows(page) == 1)


def test_the_guarantee_comes_true_before_ones_eyes(browser: Browser, site: live.Site) -> None:
    """Counted down, and then said; without script, by loading the page again."""
    for script in (True, False):
        device = site.person().sign_in("api")
        path = f"/admin/sessions/{device.session_id}"
        with console(browser, site, path, java_script_enabled=script) as (page, _):
            page.get_by_role("button", name="End this session").click()
            told = page.get_by_role("status")
            gets_focus(page, told.inner_text()) if script else None
            assert "No Counterfoil verifier accepts what was ended from" in told.inner_text()
            assert device.who().code == "session_revoked"

            def holds(page: Page = page, *, loads: bool = not script) -> bool:
                if loads:
                    page.reload()
                return "The guarantee holds" in page.get_by_role("status").inner_text()

            live.until(holds)


def test_charts_go_on(browser: Browser, site: live.Site) -> None:
    """A sign-in shows within seconds, in words, and in the table that was opened."""
    with console(browser, site) as (page, _):
        chart = page.locator("#sign-ins")
        chart.locator("summary").click()

        def signed_in() -> int:
            told = chart.locator(".series strong").first.inner_text()
            return int(told.replace(",", ""))

        before = signed_in()
        site.person().sign_in("api")
        live.until(lambda: signed_in() > before)
        assert chart.locator("tbody tr").first.is_visible()
        label = chart.get_by_role("img").first.get_attribute("aria-label") or ""
        assert label.startswith(f"Signed in: {signed_in()};")
