"""Every page of the console, in a browser: by keyboard, on a phone, in the dark, with help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import live
from console.administering import console
from pages.access import AXE, LAYOUTS, OUTLINE, SPACED, barriers, misplaced
from pages.browsing import fill, focused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

LONG = "a" * 40 + "/1.0"


def tour(page: Page, site: live.Site, password: str) -> Iterator[str]:
    """Takes the page through the console, among people with long names and many devices."""
    device = site.person().sign_in("api")
    device.refresh()
    for _ in range(2):
        device.site.call(
            "POST",
            "/v1/sessions",
            {
                "client_id": "api",
                "identifier": device.person.identifier,
                "password": device.person.password,
            },
            {"User-Agent": LONG},
        )
    page.goto(f"{site.url}/admin")
    page.locator("summary").first.click()
    yield "overview"
    page.goto(f"{site.url}/admin/sessions?person={device.person.identifier}")
    yield "sessions"
    page.goto(f"{site.url}/admin/sessions?person=nobody&device=x")
    yield "no sessions"
    page.goto(f"{site.url}/admin/sessions/{device.session_id}")
    yield "session"
    page.get_by_role("button", name="End this session").click()
    yield "ended"
    page.goto(f"{site.url}/admin/sessions/{device.session_id}")
    yield "ended session"
    page.goto(f"{site.url}/admin/sessions/x")
    yield "no such session"
    page.goto(f"{site.url}/admin/people?name={device.person.identifier[:8]}")
    yield "people"
    page.goto(f"{site.url}/admin/people?name=a b")
    yield "nobody"
    page.goto(f"{site.url}/admin/people/{device.person.subject}")
    yield "person"
    page.locator("#roles").click()
    fill(page, roles="editor", password=live.WRONG)
    yield "grave action refused"
    page.goto(f"{site.url}/admin/verifiers")
    yield "verifiers"
    page.goto(f"{site.url}/admin/keys")
    yield "keys"
    page.get_by_role("link", name="Distrust").first.click()
    yield "distrust"
    page.goto(f"{site.url}/admin/clients")
    yield "clients"
    page.locator("#register").click()
    fill(page, client_id="No Good", max_staleness="10s", password=password)
    yield "client refused"
    page.goto(f"{site.url}/admin/clients/rsa/secret")
    fill(page, password=password)
    yield "secret"
    page.goto(f"{site.url}/admin/clients/rsa")
    yield "client"
    page.goto(f"{site.url}/admin/events")
    yield "events"
    page.goto(f"{site.url}/admin/events?person=nobody")
    yield "no events"
    page.goto(f"{site.url}/admin/clients/hasty/end-sessions")
    yield "end all of a client"


def test_every_page_in_every_state(browser: Browser, site: live.Site) -> None:
    """No horizontal scroll and no target under 24 pixels, on a phone, on a desk, four times
    enlarged, with text twice as large or set wide; and no violation that axe-core finds, in light
    and dark."""
    seen: dict[str, list[Any]] = {}
    with console(browser, site) as (page, person):
        for state in tour(page, site, person.password):
            pause(page)
            page.evaluate(AXE)
            seen[state] = [
                *(fault for layout in LAYOUTS for fault in misplaced(page, *layout)),
                *barriers(page),
            ]
            page.evaluate(SPACED)
            seen[state] += misplaced(page, 320, 100)
    assert {state: found for state, found in seen.items() if found} == {}
    assert len(seen) == 21


def pause(page: Page) -> None:
    """Has it stay as it is while it is looked at."""
    button = page.get_by_role("button", name="Pause updates")
    if button.is_visible():
        button.click()


def test_by_keyboard_alone(browser: Browser, site: live.Site) -> None:
    """Tab goes through navigation, filters and rows as they are read, always seen; Enter opens,
    filters and ends."""
    device = site.person().sign_in("api")
    with console(browser, site, "/admin/sessions") as (page, _):
        order = ["Overview", "Sessions", "People", "Verifiers", "Keys", "Clients", "Events"]
        order += ["Your account", "Pause updates", "person"]
        for expected in order:
            page.keyboard.press("Tab")
            assert focused(page) == expected
            assert page.evaluate(OUTLINE) >= 2
        page.keyboard.type(device.person.identifier)
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/sessions?person=*")
        page.locator("#state").focus()
        for _ in range(3):  # the button, the device, the person
            page.keyboard.press("Tab")
        assert focused(page) == device.person.identifier
        page.keyboard.press("Tab")
        assert focused(page).startswith("end-")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.url}/admin/ended")
        assert "1 session was ended" in page.get_by_role("status").inner_text()
    assert device.who().code == "session_revoked"
