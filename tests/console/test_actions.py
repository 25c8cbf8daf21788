"""Every action of the console by keyboard alone: on a desk in the light, on a phone in the dark."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import pytest

import live
from console.administering import console
from pages.access import OUTLINE
from pages.browsing import notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

LAYOUTS: Final = {"desk": (1280, "light"), "phone": (360, "dark")}
MOST_STEPS: Final = 150


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server whose keys and clients these tests change."""
    with live.serving(tmp_path_factory.mktemp("own") / "data") as site:
        yield site


@pytest.fixture(params=LAYOUTS)
def page(
    request: pytest.FixtureRequest, browser: Browser, own: live.Site
) -> Iterator[tuple[Page, live.Person]]:
    """Nothing but the keyboard is touched in it; no rule of the policy is violated in it."""
    width, scheme = LAYOUTS[request.param]
    size = {"width": width, "height": 800}
    with console(browser, own, viewport=size, color_scheme=scheme) as (page, person):
        yield page, person


def reach(page: Page, selector: str) -> None:
    """Tab until it has the focus, which can be seen."""
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            assert page.evaluate(OUTLINE) >= 2
            return
    raise AssertionError(selector)


def press(page: Page, selector: str, leads: str) -> None:
    """Enter on it, and wait for where that leads."""
    reach(page, selector)
    page.keyboard.press("Enter")
    page.wait_for_url(leads)


def send(page: Page, leads: str, **fields: str) -> None:
    """Types into the fields in their order, and sends the form from the last one."""
    for name, text in fields.items():
        reach(page, f"#{name}")
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.wait_for_url(leads)


def test_ending_one_session(page: tuple[Page, live.Person], own: live.Site) -> None:
    """From the overview, by the filter, to the guarantee."""
    tab, _ = page
    device = own.person().sign_in("api")
    press(tab, "nav a[href='/admin/sessions']", "**/admin/sessions")
    send(tab, "**/admin/sessions?*", person=device.person.identifier)
    press(tab, f"#end-{device.session_id}", "**/admin/ended")
    assert device.who().code == "session_revoked"
    assert tab.get_by_role("status").inner_text().startswith("1 session was ended.")


def test_ending_all_sessions_of_a_person(page: tuple[Page, live.Person], own: live.Site) -> None:
    """Found by how the identifier begins."""
    tab, _ = page
    device = own.person().sign_in("web")
    press(tab, "nav a[href='/admin/people']", "**/admin/people")
    send(tab, "**/admin/people?*", name=device.person.identifier[:9])
    place = f"/admin/people/{device.person.subject}"
    press(tab, f"a[href='{place}']", f"**{place}")
    press(tab, "#end-all", "**/admin/ended")
    assert device.who().code == "session_revoked"


def test_suspending_reinstating_and_roles(page: tuple[Page, live.Person], own: live.Site) -> None:
    """Each with the password, and told once it is done."""
    tab, administrator = page
    device = own.person().sign_in("web")
    place = f"**/admin/people/{device.person.subject}"
    tab.goto(own.url + place.removeprefix("**"))
    press(tab, "#suspend", f"{place}/suspend")
    send(tab, place, password=administrator.password)
    assert notice(tab) == "The account is suspended."
    assert device.who().code == "subject_suspended"
    press(tab, "#reinstate", f"{place}/reinstate")
    send(tab, place, password=administrator.password)
    assert notice(tab).startswith("The account is reinstated.")
    press(tab, "#roles", f"{place}/roles")
    send(tab, place, roles="editor", password=administrator.password)
    assert notice(tab).startswith("The roles were changed.")
    assert device.who().json["claims"]["roles"] == ["editor"]


def test_distrusting_a_key(page: tuple[Page, live.Person]) -> None:
    """One that has signed nothing yet, so that nobody else is disturbed."""
    tab, administrator = page
    press(tab, "nav a[href='/admin/keys']", "**/admin/keys")
    press(tab, "li:has(.badge.over) a[href$='/distrust']", "**/distrust")
    send(tab, "**/admin/keys", password=administrator.password)
    assert notice(tab).startswith("The key is distrusted.")


def test_retiring_a_key_says_why_not_yet(page: tuple[Page, live.Person]) -> None:
    """Or retires it; the page says beforehand which."""
    tab, administrator = page
    tab.goto(tab.url.partition("/admin")[0] + "/admin/keys")
    press(tab, "a[href$='/retire']", "**/retire")
    says = tab.get_by_role("main").get_by_role("listitem").first.inner_text()
    reach(tab, "#password")
    tab.keyboard.type(administrator.password)
    tab.keyboard.press("Enter")
    if "may sign from" in says:
        alert = tab.get_by_role("alert").inner_text()
        assert "not known to every verifier yet" in alert
    else:
        tab.wait_for_url("**/admin/keys")
        assert notice(tab).startswith("The next key signs from now on.")


def test_a_client_from_registering_to_the_end_of_its_sessions(
    page: tuple[Page, live.Person], own: live.Site
) -> None:
    """Registered, changed, given a secret, which is then revoked; all its sessions ended."""
    tab, administrator = page
    password, client_id = administrator.password, f"k{uuid.uuid4().hex[:10]}"
    place = f"**/admin/clients/{client_id}"
    press(tab, "nav a[href='/admin/clients']", "**/admin/clients")
    press(tab, "#register", "**/admin/new-client")
    send(tab, place, client_id=client_id, password=password)
    assert notice(tab).startswith("The client is registered.")
    press(tab, "#change", f"{place}/settings")
    send(tab, place, idle="2d", password=password)
    assert notice(tab).startswith("The client is changed.")
    press(tab, "#make", f"{place}/secret")
    reach(tab, "#password")
    tab.keyboard.type(password)
    tab.keyboard.press("Enter")
    assert tab.locator("#secret").inner_text().startswith("cfs_")
    press(tab, "main .button", place)
    press(tab, "#revoke", f"{place}/revoke-secrets")
    reach(tab, "#which")
    tab.keyboard.press("ArrowDown")
    send(tab, place, password=password)
    assert notice(tab).startswith("The secrets are revoked.")
    device = own.person().sign_in(client_id)
    press(tab, "#end-all", f"{place}/end-sessions")
    send(tab, "**/admin/ended", password=password)
    assert device.who().code == "session_revoked"


def test_taking_the_trail_away(page: tuple[Page, live.Person]) -> None:
    """As a file with a name of its own."""
    tab, administrator = page
    press(tab, "nav a[href='/admin/events']", "**/admin/events")
    send(tab, "**/admin/events?*", person=administrator.identifier)
    for kind in ("csv", "jsonl"):
        reach(tab, f"a[href*='format={kind}']")
        with tab.expect_download() as download:
            tab.keyboard.press("Enter")
        assert download.value.suggested_filename.endswith(f".{kind}")
        assert "account_registered" in download.value.path().read_text()


def test_pausing_the_charts_and_opening_their_tables(page: tuple[Page, live.Person]) -> None:
    """Both by Enter."""
    tab, _ = page
    reach(tab, ".pause")
    tab.keyboard.press("Enter")
    assert tab.get_by_role("button", name="Go on updating").count() == 1
    reach(tab, "#sign-ins summary")
    tab.keyboard.press("Enter")
    assert tab.locator("#sign-ins table").is_visible()
