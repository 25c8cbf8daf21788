"""The lab in a browser: by everybody, on a phone and on a desk, in light and in dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import live
from counterfoil.server.lab.catalogue import BY_SLUG
from lab.looking import looked_at
from pages.access import OUTLINE
from pages.browsing import focused, tab
from sites import site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["site"]


@pytest.mark.parametrize("slug", ["revoke", "forged"])  # with settings, and without
def test_an_experiment_that_was_not_run(browser: Browser, site: live.Site, slug: str) -> None:
    """It says what will be done, and keeps nobody out."""
    with tab(browser, site) as page:
        page.goto(f"{site.url}/lab/{slug}")
        assert BY_SLUG[slug].does in page.get_by_role("main").inner_text()
        assert looked_at(page) == []


def test_the_front_page(browser: Browser, site: live.Site) -> None:
    """It is found from the sign-in page, and keeps nobody out."""
    with tab(browser, site) as page:
        page.goto(site.url)
        page.get_by_role("link", name="Its lab").click()
        assert page.get_by_role("heading", level=1).inner_text() == "The lab"
        assert looked_at(page) == []


ANSWERS = {
    "people": "both",
    "verifiers": "teams",
    "services": "few",
    "ban": "seconds",
    "offline": "blips",
    "rate": "thousands",
    "claims": "small",
    "store": "shared",
}


def test_advice_by_keyboard_alone(browser: Browser, site: live.Site) -> None:
    """Eight questions, each one stop and answered with a space or an arrow; then the advice has
    the focus, and the form still has the answers."""
    with tab(browser, site) as page:
        page.goto(f"{site.url}/lab/advice")
        assert looked_at(page) == []
        page.locator("#people").focus()
        for number, (question, value) in enumerate(ANSWERS.items()):
            if number:
                page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.name") == question
            assert page.evaluate(OUTLINE) >= 2
            page.keyboard.press("Space")
            while not page.locator(f"[name={question}][value={value}]").is_checked():
                page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        assert focused(page) == "Advise"
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="hybrid: ").wait_for()
        assert focused(page).startswith("For these answers")
        assert looked_at(page) == []
        page.get_by_role("link", name="at the very next check").click()
        page.get_by_role("heading", name="session: ").wait_for()
        page.go_back()
        page.get_by_role("heading", name="hybrid: ").wait_for()


def test_advice_without_an_answer(browser: Browser, site: live.Site) -> None:
    """The summary has the focus, and leads to the first question that wants one."""
    sent = "&".join(f"{name}={value}" for name, value in ANSWERS.items() if name != "ban")
    with tab(browser, site) as page:
        page.goto(f"{site.url}/lab/advice?{sent}")
        assert focused(page) == "summary"
        assert looked_at(page) == []
        page.get_by_role("alert").get_by_role("link").click()
        assert page.evaluate("document.activeElement.name") == "ban"


def test_a_chart_grows_while_one_looks(browser: Browser, site: live.Site) -> None:
    """Dots are there before the last one is, each within the chart; its words say what it is."""
    with tab(browser, site) as page:
        page.goto(f"{site.url}/lab/many-requests")
        page.evaluate("window.name = ''")
        page.get_by_role("button", name="Run it").click(no_wait_after=True)
        counts = []
        dots = page.locator(".chart > svg .dot")
        while not page.locator(".verdict").count():
            counts.append(dots.count())
        assert [count for count in counts if 0 < count < 450], counts
        assert dots.count() == 450
        chart = page.get_by_role("img", name="Milliseconds until each answer")
        box = chart.bounding_box()
        assert box is not None
        for each in (dots.first, dots.last):
            dot = each.bounding_box()
            assert dot is not None
            assert box["x"] <= dot["x"] <= box["x"] + box["width"]
            assert box["y"] <= dot["y"] <= box["y"] + box["height"]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_by_keyboard_alone(
    browser: Browser,
    site: live.Site,
    script: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """From the front page to an experiment, which Enter runs; then the verdict has the focus, and
    the next stop is to run it again."""
    with tab(browser, site, java_script_enabled=script) as page:
        page.set_default_timeout(live.PATIENCE * 1000)
        page.goto(f"{site.url}/lab")
        page.keyboard.press("Tab")
        assert focused(page) == "How each works"
        page.keyboard.press("Enter")
        page.wait_for_url("**/lab/how-each-works")
        for expected in ("The lab", "Run it"):
            page.keyboard.press("Tab")
            assert focused(page) == expected
            assert page.evaluate(OUTLINE) >= 2
        page.keyboard.press("Enter")
        page.locator(".verdict").wait_for()
        page.get_by_role("button", name="Run it again").wait_for()
        live.until(lambda: focused(page).startswith("As promised"))
        page.keyboard.press("Tab")
        assert focused(page) == "Run it again"
        page.keyboard.press("Tab")
        assert focused(page) == "Revoke"


def test_the_way_back_leads_to_what_was_seen(browser: Browser, site: live.Site) -> None:
    """The button that goes back shows the same run once more; it is not run again."""
    with tab(browser, site) as page:
        page.set_default_timeout(live.PATIENCE * 1000)
        page.goto(f"{site.url}/lab/fixated")
        page.get_by_role("button", name="Run it").click()
        page.get_by_role("button", name="Run it again").wait_for()
        seen = page.locator(".run").inner_text()
        page.get_by_role("link", name="A request is forged").click()
        page.get_by_role("button", name="Run it").wait_for()
        page.go_back()
        assert page.locator(".run").inner_text() == seen


def test_what_happens_is_read_in_order(browser: Browser, site: live.Site) -> None:
    """Each request is a group with a name, and says from whom to whom each part of it goes."""
    with tab(browser, site) as page:
        page.set_default_timeout(live.PATIENCE * 1000)
        page.goto(f"{site.url}/lab/replayed")
        page.get_by_role("button", name="Run it").click()
        page.locator(".verdict").wait_for()
        group = page.get_by_role("group", name="The thief refreshes with the spent handle")
        told = group.text_content() or ""
        places = [
            told.index(part)
            for part in (
                "Thief to Server:",
                "Server to store:",
                "look_up",
                "Server to Thief:",
                "401",
            )
        ]
        assert places == sorted(places)
