"""Clients whose credentials are cookies, and what other sites make a browser send."""

from __future__ import annotations

from functools import partial

import pytest

import live

CROSS = {"Sec-Fetch-Site": "cross-site"}
SIBLING = {"Sec-Fetch-Site": "same-site"}
OWN = {"Sec-Fetch-Site": "same-origin"}


def is_expired(device: live.Device) -> bool:
    return device.who().code == "credential_expired"


def test_the_cookies_of_a_hybrid_renew_each_other(site: live.Site) -> None:
    """A refresh reads the refresh cookie alone and replaces both."""
    device = site.person().sign_in("spa")
    before = dict(device.cookies)
    assert set(before) == {"__Host-cf_spa", "__Host-cf_spa_r"}
    headers = {"Cookie": f"__Host-cf_spa_r={before['__Host-cf_spa_r']}"}
    assert site.call("GET", "/v1/session", headers=headers).code == "credential_expired"
    answer = site.call("POST", "/v1/session/refresh", headers=headers)
    device.keep(answer)
    assert answer.status == 200
    assert set(device.cookies) == set(before)
    assert not set(device.cookies.values()) & set(before.values())
    assert device.who().status == 200


def test_a_browser_signs_out_after_its_token_expired(site: live.Site) -> None:
    """With the expired token, or with the refresh cookie that is left, the session ends."""
    for left in (["__Host-cf_hasty-spa", "__Host-cf_hasty-spa_r"], ["__Host-cf_hasty-spa_r"]):
        device = site.person().sign_in("hasty-spa")
        if len(left) == 2:
            live.until(partial(is_expired, device))
        device.cookies = {name: device.cookies[name] for name in left}
        handle = {"Cookie": f"__Host-cf_hasty-spa_r={device.cookies['__Host-cf_hasty-spa_r']}"}
        answer = device.sign_out()
        assert (answer.status, answer.json["revoked"]) == (200, 1)
        cleared = [line for line in answer.set_cookies() if "; Max-Age=0; " in line]
        assert len(cleared) == 2
        answer = site.call("POST", "/v1/session/refresh", headers=handle)
        assert answer.code == "session_revoked"


def test_signing_in_anew_ends_the_session_of_the_cookie_it_replaces(site: live.Site) -> None:
    """A browser that signs in over a session leaves none behind that nobody holds."""
    person = site.person()
    device = person.sign_in("web")
    before = device.headers()
    sent = {"client_id": "web", "identifier": person.identifier, "password": person.password}
    assert device.call("POST", "/v1/sessions", sent).status == 201
    assert site.call("GET", "/v1/session", headers=before).code == "session_revoked"
    assert device.who().status == 200


@pytest.mark.parametrize("client_id", ["web", "spa", "kiosk"])
def test_a_write_that_another_site_sends_with_our_cookies_is_refused(
    site: live.Site, client_id: str
) -> None:
    """Fetch Metadata first, Origin where it is absent; nothing has changed."""
    device = site.person().sign_in(client_id)
    writes = [
        ("POST", "/v1/session/refresh", None),
        ("POST", "/v1/session/step-up", {"password": live.PASSWORD}),
        ("POST", "/v1/account/password", {"current": live.PASSWORD, "new": live.OTHER}),
        ("DELETE", f"/v1/sessions/{device.session_id}", None),
        ("DELETE", "/v1/sessions", None),
        ("DELETE", "/v1/session", None),
        ("PATCH", "/v1/admin/accounts/x", {"state": "active"}),
        ("POST", "/v1/admin/keys/rotate", {"algorithm": "ES256"}),
    ]
    foreign = [
        CROSS,
        SIBLING,
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{site.port + 1}"},
        {**CROSS, "Origin": site.url},
    ]
    for method, path, body in writes:
        for headers in foreign:
            answer = device.call(method, path, body, headers)
            assert (answer.status, answer.code) == (403, "cross_site"), (method, path, headers)
    assert device.who().status == 200
    assert device.refresh().status == 200


@pytest.mark.parametrize("headers", [CROSS, SIBLING, {"Origin": "https://evil.example"}])
def test_another_site_can_sign_nobody_in(site: live.Site, headers: dict[str, str]) -> None:
    """Login CSRF: sign-in and registration are refused before there is any cookie."""
    person = site.person()
    sent = {"client_id": "web", "identifier": person.identifier, "password": person.password}
    answer = site.call("POST", "/v1/sessions", sent, headers)
    assert (answer.code, answer.set_cookies()) == ("cross_site", [])
    sent = {"identifier": f"new-{person.identifier}", "password": person.password}
    assert site.call("POST", "/v1/accounts", sent, headers).code == "cross_site"


@pytest.mark.parametrize(
    "headers", [OWN, {"Sec-Fetch-Site": "none"}, {"Origin": "the issuer's"}, {}]
)
def test_a_write_from_the_site_itself_passes(site: live.Site, headers: dict[str, str]) -> None:
    """Same origin by either header; a program sends neither."""
    sent = {name: site.url if name == "Origin" else value for name, value in headers.items()}
    device = site.person().sign_in("spa")
    assert device.call("POST", "/v1/session/refresh", headers=sent).status == 200
    assert device.call("DELETE", "/v1/session", headers=sent).status == 200


def test_a_read_may_come_from_another_site(site: live.Site) -> None:
    """A link to us from elsewhere works; browsers keep the answer from the other site."""
    device = site.person().sign_in("web")
    answer = device.call("GET", "/v1/session", headers=CROSS)
    assert answer.status == 200
    assert answer.header("access-control-allow-origin") is None


def test_a_program_with_a_bearer_token_is_nobodys_browser(site: live.Site) -> None:
    """Cross-site rules hold for cookies: no site can make a browser send a bearer header."""
    device = site.person().sign_in("api")
    assert device.call("DELETE", "/v1/sessions?keep=current", headers=CROSS).status == 200


def test_cookies_of_several_clients_ask_for_the_one_that_is_meant(
    site: live.Site, admin: live.Device
) -> None:
    """Two apps on one host: client_id says whose cookie; as_client_id where that filters."""
    person = site.person()
    web, spa = person.sign_in("web"), person.sign_in("spa")
    both = {"Cookie": "; ".join([web.headers()["Cookie"], spa.headers()["Cookie"]])}
    assert site.call("GET", "/v1/session", headers=both).code == "malformed"
    for device in (web, spa):
        path = f"/v1/session?client_id={device.client_id}"
        assert site.call("GET", path, headers=both).json["session_id"] == device.session_id
    admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["admin"]})
    path = "/v1/admin/sessions?as_client_id=web&client_id=spa"
    listed = site.call("GET", path, headers=both)
    assert {each["client_id"] for each in listed.json["sessions"]} == {"spa"}
    sent = {"client_id": "spa"}
    assert site.call("POST", "/v1/session/refresh", sent, both).json["session"]["id"] == (
        spa.session_id
    )


def test_a_cookie_lives_as_long_as_what_it_carries(site: live.Site) -> None:
    """Max-Age is the token's or the session's own remaining time."""
    answer = site.person().try_sign_in("spa")
    ages = [int(line.split("Max-Age=")[1].split(";")[0]) for line in answer.set_cookies()]
    assert 265 <= ages[0] <= 300
    assert ages[1] == 7 * 24 * 3600
