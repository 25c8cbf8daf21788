"""From which address a session was opened: whose word counts, who is shown it, and who is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import live
from pages.visiting import Guest, place, somebody, text_of

if TYPE_CHECKING:
    from pathlib import Path

# The client's own claim, then what the proxy has seen.
FORWARDED = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
OF_A_DEVICE = {
    *("id", "current", "client_id", "strategy", "device"),
    *("created_at", "last_seen_at", "expires_at"),
}


def signed_in(person: live.Person, headers: dict[str, str]) -> live.Device:
    sent = {"client_id": "api", "identifier": person.identifier, "password": person.password}
    answer = person.site.call("POST", "/v1/sessions", sent, headers)
    device = live.Device(person, "api", answer.json["session"]["id"])
    device.keep(answer)
    return device


def listed(site: live.Site, subject: str) -> list[dict[str, Any]]:
    path = f"/v1/admin/sessions?subject={subject}"
    found: list[dict[str, Any]] = site.administrator().call("GET", path).json["sessions"]
    return found


def test_behind_a_trusted_proxy_it_is_the_one_that_the_proxy_saw(tmp_path: Path) -> None:
    """By a call, by the sign-in page and by registering; the record and the trail say the same."""
    with live.serving(tmp_path / "data", trusted_proxies=("127.0.0.1",)) as site:
        person, guest, newcomer = site.person(), Guest(site), Guest(site)
        signed_in(person, FORWARDED)
        sent = {"identifier": person.identifier, "password": person.password}
        assert place(guest.post("/login", FORWARDED, **sent)) == "/account"
        sent["identifier"] = somebody()
        assert place(newcomer.post("/register", FORWARDED, **sent)) == "/account"
        assert [each["address"] for each in listed(site, person.subject)] == ["203.0.113.9"] * 2
        path = f"/v1/admin/events?subject={person.subject}"
        events = site.administrator().call("GET", path).json["events"]
        addresses = [
            each["detail"]["address"] for each in events if each["kind"] == "session_opened"
        ]
        assert addresses == ["203.0.113.9"] * 2
        for visitor in (guest, newcomer):
            assert "Signed in from 203.0.113.9" in text_of(visitor.get("/account"))


def test_who_is_no_trusted_proxy_says_nothing_of_it(site: live.Site) -> None:
    """The address is that of the connection."""
    person = site.person()
    signed_in(person, FORWARDED)
    assert [each["address"] for each in listed(site, person.subject)] == ["127.0.0.1"]


def test_it_stays_as_it_was_at_the_sign_in(tmp_path: Path) -> None:
    """Whoever uses the session, and from wherever."""
    with live.serving(tmp_path / "data", trusted_proxies=("127.0.0.1",)) as site:
        device = signed_in(site.person(), FORWARDED)
        device.refresh()
        sent = {"password": device.person.password}
        assert device.call("POST", "/v1/session/step-up", sent).status == 200
        assert listed(site, device.person.subject)[0]["address"] == "203.0.113.9"


def test_no_credential_and_no_list_of_ones_own_devices_holds_it(site: live.Site) -> None:
    """What applications are told is as before."""
    device = site.person().sign_in("api")
    answers = [device.opened, device.who().json, device.call("GET", "/v1/sessions").json]
    assert "127.0.0.1" not in str(answers)
    assert {name for each in answers[2]["sessions"] for name in each} == OF_A_DEVICE


def test_people_see_it_at_their_devices_and_at_what_happened(site: live.Site) -> None:
    """Only a sign-in has one of its own: what was done later may have come from elsewhere."""
    person, guest = site.person(), Guest(site)
    person.sign_in("phone")
    person.try_sign_in(password=live.WRONG)
    guest.sign_in(person)
    text = text_of(guest.get("/account"))
    devices, activity = text.split("Recent activity")
    assert devices.count("Signed in from 127.0.0.1") == 2
    assert activity.count("Address 127.0.0.1") == 2
