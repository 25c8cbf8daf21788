"""What happened to one's account, and saying that it was somebody else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import live
from counterfoil.drive import drive
from counterfoil.events import Event
from pages.browsing import fill, gets_focus, notice, tab
from pages.visiting import Guest, place, text_of
from pages.visiting import notice as noticed

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def not_me(session_id: str) -> str:
    return f"/account/sessions/{session_id}/not-me"


def lines(guest: Guest) -> list[str]:
    """What is said to have happened, newest first."""
    part = guest.get("/account").raw.decode().partition('id="activity"')[2]
    return [re.sub(r"\s*<.*", "", each) for each in re.findall(r"<h3>(.+?)</h3>", part)]


def test_the_newest_comes_first_and_refreshes_are_passed_over(guest: Guest) -> None:
    """Sign-ins, wrong passwords, changes; each with its device where that is known."""
    person = guest.site.person()
    device = person.sign_in("api")
    device.refresh()
    person.try_sign_in(password=live.WRONG)
    guest.sign_in(person)
    assert lines(guest) == ["Signed in", "Wrong password", "Signed in", "Account registered"]


@pytest.mark.parametrize(("between", "seen"), [(300, 3), (600, 1)])
def test_refreshes_hide_nothing_within_the_bound(guest: Guest, between: int, seen: int) -> None:
    """What lies behind more lines than are read is not looked for."""
    assert guest.site.server is not None
    person = guest.site.person()
    person.sign_in("api")
    store = guest.site.server.store.blocking()
    event = Event(kind="session_refreshed", at=datetime.now(UTC), subject=person.subject)
    for _ in range(between):
        drive(store.note(event))
    guest.sign_in(person)
    assert lines(guest) == ["Signed in", "Signed in", "Account registered"][:seen]


def test_no_more_is_shown_than_so_much(guest: Guest) -> None:
    """The newest."""
    person = guest.site.person()
    for _ in range(12):
        person.sign_in("phone")
    guest.sign_in(person)
    assert lines(guest) == ["Signed in"] * 10


def test_what_an_administrator_did_is_said_to_be_so(guest: Guest, admin: live.Device) -> None:
    """Without their name."""
    person = guest.site.person()
    admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["editor"]})
    guest.sign_in(person)
    text = text_of(guest.get("/account"))
    assert "By an administrator" in text
    assert "Roles set" in text


def test_not_me_ends_every_other_session_and_asks_for_a_password(guest: Guest) -> None:
    """That one, and all others but this."""
    person = guest.site.person()
    thief, other = person.sign_in("phone"), person.sign_in("web")
    guest.sign_in(person)
    assert not_me(thief.session_id) in guest.get("/account").raw.decode()
    assert place(guest.post(not_me(thief.session_id))) == "/account/not-me"
    assert {device.who().code for device in (thief, other)} == {"session_revoked"}
    page = guest.get("/account/not-me")
    assert noticed(page).startswith("Every other device was signed out. Choose a new password")
    assert "New password" in text_of(page)
    changed = guest.post("/account/password", current=person.password, new=live.OTHER)
    assert place(changed) == "/account"


def test_the_bound_of_what_was_ended_is_told(guest: Guest) -> None:
    """As at every ending."""
    person = guest.site.person()
    thief = person.sign_in("api")
    guest.sign_in(person)
    guest.post(not_me(thief.session_id))
    assert "for up to 10 seconds" in noticed(guest.get("/account/not-me"))


def test_another_persons_session_is_not_found_and_ends_nothing(guest: Guest) -> None:
    """Nor is anything of one's own ended."""
    person, stranger = guest.site.person(), guest.site.person().sign_in("web")
    mine = person.sign_in("phone")
    guest.sign_in(person)
    assert guest.post(not_me(stranger.session_id)).status == 404
    assert (stranger.who().status, mine.who().status) == (200, 200)


def test_a_session_that_was_forgotten_is_no_obstacle(guest: Guest) -> None:
    """The others are ended all the same."""
    person = guest.site.person()
    other = person.sign_in("phone")
    guest.sign_in(person)
    guest.post(not_me("long-gone"))
    assert other.who().code == "session_revoked"


def test_the_device_in_use_cannot_be_said_to_be_another(guest: Guest) -> None:
    """There is no button for it."""
    guest.sign_in(guest.site.person())
    assert "This was not me" not in guest.get("/account").raw.decode()


def test_saying_so_in_a_browser(browser: Browser, site: live.Site) -> None:
    """By keyboard: the button, the notice with the focus, the new password."""
    person = site.person()
    thief = person.sign_in("phone")
    with tab(browser, site) as page:
        page.goto(f"{site.url}/login")
        fill(page, identifier=person.identifier, password=person.password)
        page.get_by_role("button", name="This was not me").press("Enter")
        page.wait_for_url(f"{site.url}/account/not-me")
        told = notice(page)
        gets_focus(page, told)
        assert thief.who().code == "session_revoked"
        fill(page, current=person.password, new=live.OTHER)
        page.wait_for_url(f"{site.url}/account")
        assert notice(page) == "Your password was changed."
