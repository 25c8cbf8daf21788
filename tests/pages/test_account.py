"""One's own account by forms: devices, password."""

from __future__ import annotations

import re

import pytest

import live
from pages.visiting import Guest, notice, place, summary, text_of, wrong_fields

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture
def person(site: live.Site) -> live.Person:
    return site.person()


@pytest.fixture
def inside(guest: Guest, person: live.Person) -> Guest:
    guest.sign_in(person)
    return guest


def endings(answer: live.Answer) -> list[str]:
    """The addresses of the buttons that sign one device out, newest first."""
    return re.findall(r'action="(/account/sessions/[^"]+/end)"', answer.raw.decode())


def cookie_of(guest: Guest) -> str:
    ((name, value),) = guest.cookies.items()
    return f"{name}={value}"


def test_whoever_is_not_signed_in_is_asked_to(guest: Guest) -> None:
    """For every address of the account, read or written; also with a cookie that is none."""
    for cookies in ({}, {"__Host-cf_web": "cf_" + "A" * 60}, {"__Host-cf_web": "~"}):
        guest.cookies = dict(cookies)
        assert place(guest.get("/account")) == "/login"
        assert place(guest.post("/account/sessions/end-others")) == "/login"
        assert place(guest.post("/account/sessions/x/end")) == "/login"
        assert place(guest.post("/account/password", current="a", new="b")) == "/login"


def test_the_account_shows_who_and_where(
    inside: Guest, person: live.Person, admin: live.Device
) -> None:
    """Identifier, roles, and each device by name, client and times; this one first and marked."""
    admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["editor", "clerk"]})
    sent = {"client_id": "api", "identifier": person.identifier, "password": person.password}
    inside.site.call("POST", "/v1/sessions", sent, {"User-Agent": FIREFOX})
    page = inside.get("/account")
    words = text_of(page)
    assert person.identifier in words
    assert "Roles editor, clerk" in words
    assert words.index("this device") < words.index("Firefox on Linux Client api")
    assert words.count("this device") == 1
    assert len(endings(page)) == 1
    devices = page.raw.decode().partition('id="activity"')[0]
    times = re.findall(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ">', devices)
    assert len(times) == 4
    assert "less than a minute ago" in words


def test_a_device_is_named_as_text(inside: Guest, person: live.Person) -> None:
    """A User-Agent is the client's own claim, and no markup."""
    sent = {"client_id": "api", "identifier": person.identifier, "password": person.password}
    inside.site.call("POST", "/v1/sessions", sent, {"User-Agent": "a<img/src=x>/1"})
    assert b"<img/src" not in inside.get("/account").raw


def test_one_other_device_is_signed_out(inside: Guest, person: live.Person) -> None:
    """Refused from then on; the page says how long its tokens may go on elsewhere."""
    device, kept = person.sign_in("api"), person.sign_in("web")
    path = f"/account/sessions/{device.session_id}/end"
    assert path in endings(inside.get("/account"))
    assert place(inside.post(path)) == "/account"
    assert device.refresh().code == "session_revoked"
    page = inside.get("/account")
    assert re.fullmatch(
        "1 device was signed out. Other services may still accept tokens from before: for up to 10"
        r" seconds if they check with Counterfoil, for up to \d minutes if they do not.",
        notice(page),
    )
    assert path not in endings(page)
    assert kept.who().status == 200
    inside.post(path)
    assert notice(inside.get("/account")) == "That device had been signed out already."


def test_signing_out_this_device_as_one_of_them_signs_out(inside: Guest) -> None:
    """There is no button for it, but whoever sends it has no use for the cookie any more."""
    shown = inside.site.call("GET", "/v1/sessions", headers={"Cookie": cookie_of(inside)}).json
    (own,) = (each["id"] for each in shown["sessions"] if each["current"])
    former = Guest(inside.site, dict(inside.cookies))
    assert place(inside.post(f"/account/sessions/{own}/end")) == "/login"
    assert notice(inside.get("/login")) == "You are signed out."
    assert inside.cookies == {}
    assert place(former.get("/account")) == "/login"


@pytest.mark.parametrize("session_id", ["nothing", "%00", "../../login"])
def test_what_is_no_device_of_mine_is_not_found(inside: Guest, session_id: str) -> None:
    """Neither another person's session nor none."""
    other = inside.site.person().sign_in("web")
    for each in (other.session_id, session_id.replace("/", "%2F")):
        assert inside.post(f"/account/sessions/{each}/end").status == 404
    assert other.who().status == 200


def test_all_other_devices_are_signed_out(inside: Guest, person: live.Person) -> None:
    """Only this one stays; a second time there is none."""
    devices = [person.sign_in("web"), person.sign_in("web")]
    assert place(inside.post("/account/sessions/end-others")) == "/account"
    page = inside.get("/account")
    assert notice(page) == "2 other devices were signed out."
    assert endings(page) == []
    assert b"end-others" not in page.raw
    assert {device.who().code for device in devices} == {"session_revoked"}
    inside.post("/account/sessions/end-others")
    assert notice(inside.get("/account")) == "No other device was signed in."


def test_the_password_is_changed(inside: Guest, person: live.Person) -> None:
    """The other devices end, this one gets a new handle, and only the new password is right."""
    device, former = person.sign_in("web"), dict(inside.cookies)
    answer = inside.post("/account/password", current=person.password, new=live.OTHER)
    assert place(answer) == "/account"
    assert inside.cookies["__Host-cf_web"] != former["__Host-cf_web"]
    assert notice(inside.get("/account")) == (
        "Your password was changed. 1 other device was signed out."
    )
    assert device.who().code == "session_revoked"
    assert person.try_sign_in().status == 401
    assert person.try_sign_in(password=live.OTHER).status == 201


@pytest.mark.parametrize(
    ("sent", "status", "wrong", "said"),
    [
        ((live.WRONG, live.OTHER), 401, "current", "The current password is not right."),
        ((live.PASSWORD, "shrt"), 422, "new", "shorter than 15 characters"),
        (("", live.OTHER), 400, "current", "Something is missing."),
    ],
)
def test_a_password_that_is_not_changed_says_why(
    inside: Guest, sent: tuple[str, str], status: int, wrong: str, said: str
) -> None:
    """In the form on the account, where nothing else has changed."""
    former, (current, new) = dict(inside.cookies), sent
    answer = inside.post("/account/password", current=current, new=new)
    assert (answer.status, wrong_fields(answer)) == (status, [wrong])
    assert said in summary(answer)
    assert "Your devices" in text_of(answer)
    assert new.encode() not in answer.raw
    assert inside.cookies == former


def test_guessing_the_current_password_is_slowed_down(inside: Guest) -> None:
    """429 with a wait, for this session alone."""
    answer = inside.get("/account")
    while answer.status != 429:
        answer = inside.post("/account/password", current=live.WRONG, new=live.OTHER)
        assert answer.status in {401, 429}
    assert wrong_fields(answer) == []
    assert summary(answer).startswith("Too many attempts failed. Wait ")
    assert inside.get("/account").status == 200


def test_a_long_list_is_cut(site: live.Site, guest: Guest) -> None:
    """A hundred others are shown, and how many more there are; all of them can be ended."""
    person = site.person()
    guest.sign_in(person)
    for _ in range(101):
        person.sign_in("phone")
    page = guest.get("/account")
    assert len(endings(page)) == 100
    assert "And 1 more" in text_of(page)
