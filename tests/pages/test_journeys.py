"""People's ways through the pages in a browser, with script and without."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import live
import serving
from pages.browsing import devices, fill, focused, gets_focus, notice, tab
from pages.visiting import somebody

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


@SCRIPT
def test_from_registering_to_signing_in_again(
    browser: Browser,
    site: live.Site,
    script: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Register, see the account, sign out, sign in with a wrong and then the right password."""
    identifier = somebody()
    with tab(browser, site, java_script_enabled=script) as page:
        page.goto(site.url)
        assert page.url == f"{site.url}/login"
        page.get_by_role("link", name="Register").click()
        fill(page, identifier=identifier, password="too short")
        gets_focus(page, "summary")
        assert page.input_value("#identifier") == identifier
        assert page.input_value("#password") == ""
        fill(page, password=live.PASSWORD)
        assert page.url == f"{site.url}/account"
        welcome = "Your account is registered, and you are signed in."
        assert notice(page) == welcome
        gets_focus(page, welcome)
        page.reload()
        assert page.get_by_role("status").count() == 0
        page.get_by_role("button", name="Sign out", exact=True).click()
        assert page.url == f"{site.url}/login"
        assert notice(page) == "You are signed out."
        fill(page, identifier=identifier, password=live.WRONG)
        assert "is not right" in page.get_by_role("alert").inner_text()
        gets_focus(page, "summary")
        fill(page, password=live.PASSWORD)
        assert page.url == f"{site.url}/account"
        page.get_by_text(identifier).wait_for()


@SCRIPT
def test_devices_and_the_password(
    browser: Browser,
    site: live.Site,
    script: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """One device is signed out and refused from then on, then all others; then the password."""
    person = site.person()
    phone, *others = (person.sign_in(client_id) for client_id in ("phone", "web", "web"))
    with tab(browser, site, java_script_enabled=script) as page:
        page.goto(f"{site.url}/login")
        fill(page, identifier=person.identifier, password=person.password)
        items = devices(page)
        assert items.count() == 4
        assert "this device" in items.first.inner_text()
        items.filter(has_text="phone").get_by_role("button").click()
        assert notice(page) == "1 device was signed out."
        assert phone.who().code == "session_revoked"
        assert {other.who().status for other in others} == {200}
        page.get_by_role("button", name="Sign out all other devices").click()
        assert notice(page) == "2 other devices were signed out."
        assert {other.who().code for other in others} == {"session_revoked"}
        assert items.count() == 1

        fill(page, current=live.WRONG, new=live.OTHER)
        assert "The current password is not right." in page.get_by_role("alert").inner_text()
        fill(page, current=live.PASSWORD, new=live.OTHER)
        assert notice(page) == "Your password was changed."
    assert person.try_sign_in(password=live.OTHER).status == 201


def test_too_many_attempts(browser: Browser, site: live.Site) -> None:
    """The page says how long to wait, and keeps the identifier."""
    person = site.person()
    for _ in range(12):
        person.try_sign_in(password=live.WRONG)
    with tab(browser, site) as page:
        page.goto(f"{site.url}/login")
        fill(page, identifier=person.identifier, password=live.WRONG)
        assert "Wait " in page.get_by_role("alert").inner_text()
        assert page.input_value("#identifier") == person.identifier


@pytest.mark.parametrize(
    "place", ["//evil.example", "/\\evil.example", "/%09/evil.example", "https://evil.example"]
)
def test_a_link_cannot_lead_away(browser: Browser, site: live.Site, place: str) -> None:
    """Whatever `next` says, a sign-in ends on the site."""
    person = site.person()
    with tab(browser, site) as page:
        page.goto(f"{site.url}/login?next={place}")
        fill(page, identifier=person.identifier, password=person.password)
        assert page.url == f"{site.url}/account"
        page.goto(f"{site.url}/login?next={place}")
        assert page.url == f"{site.url}/account"


def test_another_site_cannot_sign_anybody_in_or_frame_a_page(
    browser: Browser, site: live.Site
) -> None:
    """A form that it sends by itself ends on a refusal, without a cookie; a frame stays empty."""
    person = site.person()
    form = (
        f"<form method=post action='{site.url}/login'><input name=identifier"
        f" value='{person.identifier}'><input name=password value='{person.password}'></form>"
        "<script>document.forms[0].submit()</script>"
    )
    frame = f"<iframe src='{site.url}/login'></iframe>"
    kind = ("Content-Type: text/html",)
    context = browser.new_context()
    try:
        page = context.new_page()
        with serving.answering(
            serving.saying(serving.bytes_of(form.encode(), headers=kind))
        ) as evil:
            page.goto(evil.url)
            page.wait_for_url(f"{site.url}/login")
            assert "This was sent from another site" in page.get_by_role("heading").inner_text()
            assert context.cookies() == []
        with serving.answering(
            serving.saying(serving.bytes_of(frame.encode(), headers=kind))
        ) as evil:
            page.goto(evil.url)
            page.frames[-1].wait_for_url(re.compile("^chrome-error:"))
    finally:
        context.close()


def test_a_script_that_comes_late_takes_no_focus_away(browser: Browser, site: live.Site) -> None:
    """Whoever types already goes on typing into the same field."""
    held: list[Route] = []

    def hold(route: Route) -> None:  # Playwright cannot mark a built-in method as its listener
        held.append(route)

    with tab(browser, site) as page:
        page.route("**/reveal.*.js", hold)
        page.goto(f"{site.url}/login", wait_until="commit")
        page.focus("#password")
        page.keyboard.type("otters ")
        held[0].continue_()
        page.get_by_role("button", name="Show password").wait_for()
        page.keyboard.type("juggle")
        assert page.input_value("#password") == "otters juggle"
        assert focused(page) == "password"


def test_nothing_is_shown_again_after_signing_out(browser: Browser, site: live.Site) -> None:
    """Neither by the button that goes back nor in a tab that was open."""
    person = site.person()
    with tab(browser, site) as page:
        page.goto(f"{site.url}/login")
        fill(page, identifier=person.identifier, password=person.password)
        other = page.context.new_page()
        other.goto(f"{site.url}/account")
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.wait_for_url("**/login")
        page.go_back()
        assert page.url == f"{site.url}/login"
        assert person.identifier not in page.content()
        other.get_by_role("button", name="Change the password").wait_for()
        fill(other, current=person.password, new=live.OTHER)
        assert other.url == f"{site.url}/login"
    assert person.try_sign_in().status == 201


def test_a_password_can_be_looked_at(browser: Browser, site: live.Site) -> None:
    """The button shows and hides it; what is sent is a password again, and without script there
    is no such button."""
    person = site.person()
    with tab(browser, site) as page:
        page.goto(f"{site.url}/login")
        page.fill("#identifier", person.identifier)
        page.fill("#password", person.password)
        page.get_by_role("button", name="Show password").click()
        assert page.get_attribute("#password", "type") == "text"
        page.get_by_role("button", name="Hide password").click()
        assert page.get_attribute("#password", "type") == "password"
        page.get_by_role("button", name="Show password").click()
        page.press("#password", "Enter")
        page.wait_for_url(f"{site.url}/account")
    with tab(browser, site, java_script_enabled=False) as page:
        page.goto(f"{site.url}/login")
        assert page.get_by_role("button").count() == 1
