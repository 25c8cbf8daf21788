"""Signing in as each kind of client, and every way to end it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import live

if TYPE_CHECKING:
    from pathlib import Path

STRATEGY = {
    "web": "session",
    "api": "hybrid",
    "partner": "jwt",
    "spa": "hybrid",
    "kiosk": "jwt",
    "phone": "session",
}
MANAGING = [client_id for client_id in STRATEGY if client_id != "partner"]
COOKIES = {"web": ["web"], "spa": ["spa", "spa_r"], "kiosk": ["kiosk", "kiosk_r"]}


@pytest.mark.parametrize("client_id", STRATEGY)
def test_who_am_i_answers_the_same_for_every_client(site: live.Site, client_id: str) -> None:
    """GET /v1/session names subject, session, client, strategy and claims, whatever the carrier."""
    device = site.person().sign_in(client_id)
    seen = device.who().json
    assert seen.pop("as_of") < seen.pop("expires_at")
    assert seen.pop("auth_time")[:19] == device.opened["session"]["created_at"][:19]
    assert seen == {
        "subject": device.person.subject,
        "session_id": device.session_id,
        "client_id": client_id,
        "audience": client_id,
        "strategy": STRATEGY[client_id],
        "claims": {"roles": []},
    }


@pytest.mark.parametrize("client_id", STRATEGY)
def test_a_cookie_client_gets_cookies_and_no_secret_in_the_body(
    site: live.Site, client_id: str
) -> None:
    """A secret travels in the body or in a cookie, never both; each cookie has every attribute."""
    answer = site.person().try_sign_in(client_id)
    credential = answer.json["credential"]
    is_cookie = client_id in COOKIES
    assert credential["type"] == ("cookie" if is_cookie else "bearer")
    assert ("token" in credential) is not is_cookie
    assert ("refresh_handle" in credential) is (client_id in {"api", "partner"})
    names = [line.partition("=")[0] for line in answer.set_cookies()]
    assert names == [f"__Host-cf_{name}" for name in COOKIES.get(client_id, [])]
    for line in answer.set_cookies():
        attributes = {part.partition("=")[0] for part in line.split("; ")[1:]}
        assert attributes == {"Max-Age", "Path", "Secure", "HttpOnly", "SameSite"}
        assert "; Path=/; Secure; HttpOnly; SameSite=Lax" in line


def test_a_sign_in_says_how_long_it_could_outlive_its_end(site: live.Site) -> None:
    """`session` not at all, `hybrid` its max_staleness, `jwt` as long as its token lives."""
    person = site.person()
    within = {}
    for client_id in ("web", "api", "partner"):
        shown = person.try_sign_in(client_id).json
        within[client_id] = shown["effective_within_seconds"], shown["elsewhere_within_seconds"]
    assert within["web"] == (0, 0)
    assert within["api"][0] == 10
    assert 265 <= within["api"][1] <= 300
    assert 265 <= within["partner"][0] == within["partner"][1] <= 300


@pytest.mark.parametrize("client_id", STRATEGY)
def test_a_refresh_goes_on_with_the_same_session(site: live.Site, client_id: str) -> None:
    """A refresh brings a new handle, and a new token where there is one, for the same session."""
    device = site.person().sign_in(client_id)
    before = device.secrets
    answer = device.refresh()
    assert answer.status == 200, answer
    assert answer.json["session"]["id"] == device.session_id
    assert not set(before) & set(device.secrets)
    assert device.who().json["session_id"] == device.session_id


def test_my_devices_are_listed_newest_first_with_the_one_that_asks(site: live.Site) -> None:
    """GET /v1/sessions names each live session, and says which is current."""
    person = site.person()
    devices = [person.sign_in(client_id) for client_id in ("web", "api", "partner")]
    for asking in devices[:2]:
        listed = asking.call("GET", "/v1/sessions").json["sessions"]
        assert [each["id"] for each in listed] == [each.session_id for each in reversed(devices)]
        assert [each["id"] for each in listed if each["current"]] == [asking.session_id]
        assert {each["strategy"] for each in listed} == {"session", "hybrid", "jwt"}


def test_a_device_is_named_by_what_it_says_of_itself(site: live.Site) -> None:
    """The list of devices shows a short name from the user agent."""
    person = site.person()
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    sent = {"client_id": "api", "identifier": person.identifier, "password": person.password}
    site.call("POST", "/v1/sessions", sent, {"User-Agent": agent})
    (device,) = person.sign_in("web").call("GET", "/v1/sessions").json["sessions"][1:]
    assert device["device"] == "Firefox on Linux"


def test_a_client_that_may_not_manage_is_forbidden_to(site: live.Site) -> None:
    """`partner` may not list or end sessions, step up or change a password; nothing is lost."""
    person = site.person()
    partner, web = person.sign_in("partner"), person.sign_in("web")
    for method, path, body in (
        ("GET", "/v1/sessions", None),
        ("DELETE", f"/v1/sessions/{web.session_id}", None),
        ("DELETE", "/v1/sessions", None),
        ("POST", "/v1/session/step-up", {"password": person.password}),
        ("POST", "/v1/account/password", {"current": person.password, "new": live.OTHER}),
    ):
        answer = partner.call(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden"), (method, path)
    assert [web.who().status, partner.who().status] == [200, 200]


@pytest.mark.parametrize("ending", MANAGING)
@pytest.mark.parametrize("ended", ["web", "api", "phone", "spa"])
def test_an_ended_session_is_refused_at_its_next_call(
    site: live.Site, ending: str, ended: str
) -> None:
    """Where one read or one bit tells, the very next call says session_revoked."""
    person = site.person()
    lost, kept = person.sign_in(ended), person.sign_in(ending)
    answer = kept.call("DELETE", f"/v1/sessions/{lost.session_id}")
    assert (answer.status, answer.json["revoked"]) == (200, 1)
    assert [lost.who().code, lost.refresh().code] == ["session_revoked"] * 2
    assert kept.who().status == 200


def test_a_token_that_nothing_can_call_back_dies_when_the_answer_said(tmp_path: Path) -> None:
    """With an access lifetime of 2 s, `partner`'s token is refused by the second promised."""
    with live.serving(tmp_path / "data", access_lifetime=2) as site:
        device = site.person().sign_in("partner")
        answer = device.sign_out()
        promised = answer.json["effective_within_seconds"]
        asked_at = time.monotonic()
        assert answer.json["revoked"] == 1
        assert 1 <= promised <= 2
        time.sleep(max(0.0, asked_at + promised - time.monotonic()))
        assert device.who().code == "credential_expired"
        assert device.refresh().code == "session_revoked"


def test_an_unused_session_expires_and_a_used_one_goes_on_to_its_absolute_end(
    site: live.Site,
) -> None:
    """Use moves the idle end, nothing moves the absolute one; an expired session is listed no more
    and cannot be renewed."""
    person = site.person()
    unused, used = person.sign_in("fleeting"), person.sign_in("fleeting")
    began = time.monotonic()
    while time.monotonic() < began + 2.5:
        assert used.who().status == 200
        time.sleep(0.2)
    assert [unused.who().code, unused.refresh().code] == ["session_expired"] * 2
    assert used.refresh().status == 200
    listed = person.sign_in("api").call("GET", "/v1/sessions").json["sessions"]
    assert [each["id"] for each in listed[1:]] == [used.session_id]
    time.sleep(max(0.0, began + 4 - time.monotonic()))
    assert [used.who().code, used.refresh().code] == ["session_expired"] * 2


@pytest.mark.parametrize("client_id", STRATEGY)
def test_signing_out_twice_says_that_nothing_was_left_to_do(
    site: live.Site, client_id: str
) -> None:
    """The first answers 1; a repeat of the same request 0, with the moment it had ended."""
    device = site.person().sign_in(client_id)
    headers = device.headers()
    first = site.call("DELETE", "/v1/session", headers=headers)
    again = site.call("DELETE", "/v1/session", headers=headers)
    assert [first.status, again.status] == [200, 200]
    assert [first.json["revoked"], again.json["revoked"]] == [1, 0]
    assert again.json["ended_at"] == first.json["ended_at"]


@pytest.mark.parametrize("client_id", ["api", "partner"])
def test_a_refresh_handle_is_enough_to_sign_out(site: live.Site, client_id: str) -> None:
    """The handle as bearer ends its session, also when its token has been lost."""
    device = site.person().sign_in(client_id)
    bearer = {"Authorization": f"Bearer {device.handle}"}
    assert site.call("DELETE", "/v1/session", headers=bearer).json["revoked"] == 1
    assert device.refresh().code == "session_revoked"


@pytest.mark.parametrize("client_id", MANAGING)
def test_all_other_sessions_can_be_ended_at_once(site: live.Site, client_id: str) -> None:
    """keep=current ends the others and counts them; without it the one that asks goes too."""
    person = site.person()
    others = [person.sign_in(each) for each in ("web", "api", "partner")]
    device = person.sign_in(client_id)
    assert device.call("DELETE", "/v1/sessions?keep=current").json["revoked"] == 3
    assert [each.refresh().code for each in others] == ["session_revoked"] * 3
    assert device.who().status == 200
    headers = device.headers()
    assert device.call("DELETE", "/v1/sessions").json["revoked"] == 1
    assert site.call("POST", "/v1/session/step-up", {"password": "x"}, headers).status == 401


def test_another_persons_session_is_not_found(site: live.Site) -> None:
    """Whether an id is somebody else's or nobody's cannot be told."""
    device, foreign = site.person().sign_in("api"), site.person().sign_in("web")
    answers = [
        device.call("DELETE", f"/v1/sessions/{session_id}")
        for session_id in (foreign.session_id, "AAAAAAAAAAAAAAAAAAAAAA", "x", "%00", "%ED%A0%80")
    ]
    assert {(each.status, each.raw) for each in answers} == {(404, answers[0].raw)}
    assert foreign.who().status == 200
