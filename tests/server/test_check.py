"""Who passes `/v1/check`; the real proxies are in tests/proxies."""

from __future__ import annotations

import re

import pytest

import live
from server.checking import CROSS, PAGE, READ, asked, told


@pytest.fixture(scope="module")
def web(trusting: live.Site) -> live.Device:
    return trusting.person().sign_in("web")


@pytest.mark.parametrize("client_id", ["web", "spa", "kiosk", "phone", "api", "partner"])
def test_a_check_says_who_it_is(site: live.Site, client_id: str) -> None:
    """Of every strategy and carrier: the subject, the session, the client and the roles."""
    person = site.person()
    device = person.sign_in(client_id)
    answer = asked(device, f"audience={client_id}")
    assert (answer.status, answer.raw) == (200, b"")
    assert answer.header("content-length") == "0"
    assert told(answer) == {
        "x-auth-subject": person.subject,
        "x-auth-session": device.session_id,
        "x-auth-client": client_id,
        "x-auth-roles": "",
    }


def test_roles_have_commas_between_them(site: live.Site, admin: live.Device) -> None:
    """They can hold none themselves."""
    person = site.person()
    admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["a:b", "c/d.e-f_g"]})
    assert told(asked(person.sign_in("web")))["x-auth-roles"] == "a:b,c/d.e-f_g"


def test_a_role_can_be_asked_for(site: live.Site, admin: live.Device) -> None:
    """403 forbidden without it, which is no reason to sign in again; 401 comes first."""
    person = site.person()
    admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["editor"]})
    device = person.sign_in("web")
    assert asked(device, "audience=web&role=editor").status == 200
    for role in ("admin", "edito", "editor2", "EDITOR"):
        answer = asked(device, f"audience=web&role={role}")
        assert (answer.status, answer.code) == (403, "forbidden")
    assert asked(site, "audience=web&role=admin").status == 401


def test_an_answer_is_kept_by_nobody(site: live.Site) -> None:
    """Neither the good one nor a refusal."""
    for answer in (asked(site.person().sign_in("web")), asked(site), asked(site, "")):
        assert answer.header("cache-control") == "no-store"
        assert answer.header("vary") == "Cookie, Authorization"


# Refusals.


@pytest.mark.parametrize("client_id", ["web", "phone", "api", "spa"])
def test_a_revoked_session_is_refused(site: live.Site, client_id: str) -> None:
    """At once at this server, as its strategy promises or sooner."""
    device = site.person().sign_in(client_id)
    headers = device.headers()
    device.sign_out()
    answer = site.call("GET", f"/v1/check?audience={client_id}", headers=headers)
    assert (answer.status, answer.code) == (401, "session_revoked")
    assert "session_revoked" in (answer.header("www-authenticate") or "")


def test_a_credential_of_another_application_is_refused(site: live.Site) -> None:
    """Of the same person, good as it is; a cookie of another client is not looked at."""
    person = site.person()
    for client_id in ("web", "spa", "phone", "api", "partner"):
        device = person.sign_in(client_id)
        for audience in {"web", "spa", "phone", "api", "partner"} - {client_id}:
            answer = asked(device, f"audience={audience}")
            expected = {"wrong_audience", *(["credential_missing"] if device.cookies else [])}
            assert answer.status == 401
            assert answer.code in expected, (client_id, audience)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("Cookie", "__Host-cf_web=a; __Host-cf_web=b")], "malformed"),
        ([("Cookie", "__Host-cf_web=a"), ("Cookie", "__Host-cf_web=b")], "malformed"),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], "malformed"),
        ([("Authorization", "Basic eDp5")], "credential_malformed"),
        ([("Authorization", "Bearer x y")], "credential_malformed"),
        ([("Authorization", "Bearer " + "x" * 20_000)], "too_large"),
        ([("Cookie", "a=" + "x" * 70_000)], "too_large"),
        ([("Cookie", "__Host-cf_web=")], "credential_malformed"),
        ([], "credential_missing"),
    ],
)
def test_what_cannot_be_read_is_401_with_its_code(
    site: live.Site, headers: list[tuple[str, str]], code: str
) -> None:
    """S19: elsewhere 400 or 413, which nginx would take for a failure of its own."""
    answer = site.call("GET", "/v1/check?audience=web", headers=headers)
    assert (answer.status, answer.code) == (401, code)
    assert answer.json["status"] == 401
    assert answer.json["title"] == "Unauthorized"
    assert answer.header("www-authenticate") is not None


def test_a_store_that_is_gone_is_503(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Never 401, which would have people sign in again; a plain token needs no store."""
    with live.serving(tmp_path_factory.mktemp("gone") / "data") as site:
        web, partner = (site.person().sign_in(each) for each in ("web", "partner"))
        assert asked(web).status == 200
        assert site.server is not None
        site.server.store.rows.database.close()
        answer = asked(web, headers=PAGE)
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert answer.header("retry-after") is not None
        assert asked(partner, "audience=partner").status == 200


# The method of the request that is asked about.


def test_a_link_from_another_site_passes_where_the_proxy_is_trusted(
    site: live.Site, web: live.Device
) -> None:
    """It says GET, in one header or the other. Without that, a cookie is checked as for a write."""
    for name in ("X-Original-Method", "X-Forwarded-Method"):
        for method in ("GET", "HEAD"):
            assert asked(web, headers={**CROSS, name: method}).status == 200
    unknown = [
        asked(web, headers=CROSS),
        asked(web, headers={**CROSS, **READ, "X-Forwarded-Method": "GET"}),
        asked(web, headers={**CROSS, "X_Original_Method": "GET"}),
        asked(web, headers={**CROSS, "X-Original-Method": "get"}),
        asked(site.person().sign_in("web"), headers={**CROSS, **READ}),  # nobody is trusted there
    ]
    for answer in unknown:
        assert (answer.status, answer.code) == (403, "cross_site")


def test_s7_a_write_from_another_site_is_refused(web: live.Device) -> None:
    """Nginx asks with GET about it; only a header tells."""
    for told_by in (CROSS, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}):
        for method in ("POST", "PUT", "PATCH", "DELETE", "CONNECT", "BREW"):
            answer = asked(web, headers={**told_by, "X-Original-Method": method})
            assert (answer.status, answer.code) == (403, "cross_site")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_call_with_another_method_is_no_read(web: live.Device, method: str) -> None:
    """Some proxies keep the client's. Nothing that a header says makes it a read."""
    assert asked(web, method=method).status == 200
    for headers in (CROSS, {**CROSS, **READ}):
        assert asked(web, headers=headers, method=method).status == 403


def test_a_body_is_not_read(web: live.Device) -> None:
    """Whatever its type; and the connection goes on behind it."""
    cookie = web.headers()["Cookie"]
    head = f"POST /v1/check?audience=web HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n"
    one = f"{head}Content-Length: 100000\r\n\r\n{'x' * 100_000}".encode()
    two = f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert re.findall(rb"HTTP/1\.1 (\d+)", web.site.raw(one + two.encode())) == [b"200", b"200"]


def test_from_the_site_itself_everything_passes(web: live.Device) -> None:
    """By Fetch Metadata, by Origin, or from a program that tells neither."""
    for headers in (
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://app.example"},
        {},
    ):
        assert asked(web, headers={**headers, "X-Original-Method": "POST"}).status == 200


def test_a_bearer_header_comes_from_no_other_site(trusting: live.Site) -> None:
    """Browsers add none by themselves."""
    tool = trusting.person().sign_in("tool")
    assert asked(tool, headers={**CROSS, "X-Original-Method": "POST"}).status == 200


def test_a_websocket_is_no_read(web: live.Device) -> None:
    """It opens with GET, and proxies drop Upgrade on the way here."""
    opening = {**READ, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert asked(web, headers={**CROSS, **opening}).status == 403
    assert asked(web, headers={"Origin": "https://evil.example", **opening}).status == 403
    assert asked(web, headers={"Sec-Fetch-Site": "same-origin", **opening}).status == 200


# As sent: the call's own method and path are those of the request.


def test_a_request_as_it_was_sent_is_checked_by_its_method(
    site: live.Site, web: live.Device
) -> None:
    """For Envoy, which keeps it. That a call is a read is believed of a trusted proxy only."""
    path = "/v1/check/as-sent/web/orders/%2e%2e/7"
    assert asked(web, headers=CROSS, path=path).status == 200
    assert asked(web, headers=CROSS, path=path, method="HEAD").status == 200
    for method in ("POST", "DELETE", "OPTIONS"):
        answer = asked(web, headers={**CROSS, **READ}, path=path, method=method)
        assert answer.status == 403
    other = site.person().sign_in("web")
    assert asked(other, headers=CROSS, path=path).status == 403
    assert asked(other, path=path).status == 200
