"""Who is let in by each proxy with its configuration from docs/proxies.md."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from proxies.conftest import Guarded

CROSS = {"Sec-Fetch-Site": "cross-site"}
OWN = {"Sec-Fetch-Site": "same-origin"}
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("client_id", ["web", "tool", "script", "robot"])
def test_the_right_ones_are_let_in_by_cookie_and_by_bearer(
    guarded: Guarded, client_id: str
) -> None:
    """Of every strategy; and the application is told who sent the request."""
    person = guarded.person("editor", "staff/paper")
    device = person.sign_in(client_id)
    answer = device.call("GET", "/orders?page=2&of=7")
    assert answer.status == 200
    assert answer.json == {
        "subject": [person.subject],
        "session": [device.session_id],
        "client": [client_id],
        "roles": ["editor,staff/paper"],
        "method": "GET",
        "path": "/orders?page=2&of=7",
        "sha256": hashlib.sha256(b"").hexdigest(),
    }


def test_without_a_credential_nobody_is_let_in(guarded: Guarded) -> None:
    """401 with the challenge, for every method, and the application is not asked."""
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        answer = guarded.site.call(method, "/nobody")
        assert answer.status == 401, method
        assert (answer.header("www-authenticate") or "").startswith("Bearer")
    assert guarded.application.at("/nobody") == []


@pytest.mark.parametrize("client_id", ["web", "tool", "script"])
def test_what_was_revoked_is_refused(guarded: Guarded, client_id: str) -> None:
    """From the next request on: the check of this server is not behind."""
    device = guarded.person().sign_in(client_id)
    assert device.call("GET", "/revoked").status == 200
    ended = guarded.behind.administrator().call("DELETE", f"/v1/admin/sessions/{device.session_id}")
    assert ended.json["revoked"] == 1
    assert device.call("GET", "/revoked").status == 401


@pytest.mark.parametrize("client_id", ["api", "partner", "phone", "spa"])
def test_a_credential_for_another_application_is_refused(guarded: Guarded, client_id: str) -> None:
    """Another audience, by cookie or by bearer; beside a good cookie too, for the header counts."""
    person = guarded.person()
    other = person.sign_in(client_id)
    assert other.call("GET", "/another").status == 401
    if not other.cookies:
        good = person.sign_in("web").headers()
        both = guarded.site.call("GET", "/another", headers={**good, **other.headers()})
        assert both.status == 401
    assert guarded.application.at("/another") == []


def test_a_write_from_another_site_is_refused(guarded: Guarded) -> None:
    """S7: with a cookie, whichever way the browser tells; never with a bearer header."""
    person = guarded.person()
    web, tool = person.sign_in("web"), person.sign_in("tool")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for told in (CROSS, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}):
            answer = web.call(method, "/write", b"amount=100", headers=told)
            assert answer.status == 403, (method, told)
    assert web.call("POST", "/write", b"x", headers={"Origin": "null"}).status == 403
    assert guarded.application.at("/write") == []
    assert tool.call("POST", "/write", b"x", headers=CROSS).status == 200


def test_a_client_cannot_say_that_its_write_was_a_read(guarded: Guarded) -> None:
    """Headers of the proxy that come from the client do not count, alone or beside the proxy's."""
    web = guarded.person().sign_in("web")
    for name in ("X-Original-Method", "X-Forwarded-Method", "X_Original_Method"):
        answer = web.call("POST", "/claimed", b"x", headers={**CROSS, name: "GET"})
        assert answer.status == 403, name
    assert guarded.application.at("/claimed") == []


def test_a_write_from_the_site_itself_passes(guarded: Guarded) -> None:
    """And one from a program, which tells of no site."""
    web = guarded.person().sign_in("web")
    own = {"Origin": f"http://localhost:{guarded.site.port}"}
    for told in (OWN, {"Sec-Fetch-Site": "none"}, own, {}):
        assert web.call("POST", "/own", b"x", headers=told).status == 200, told


def test_a_link_from_another_site_passes(guarded: Guarded) -> None:
    """A navigation is a read: the proxy says so, and is trusted."""
    web = guarded.person().sign_in("web")
    for method in ("GET", "HEAD"):
        headers = {**web.headers(), **CROSS, **PAGE}
        assert guarded.site.call(method, "/linked", headers=headers).status == 200


def test_another_site_cannot_open_a_websocket(guarded: Guarded) -> None:
    """It opens with GET, and then writes."""
    web = guarded.person().sign_in("web")
    opening = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for told in (CROSS, {"Origin": "https://evil.example"}):
        assert web.call("GET", "/socket", headers={**opening, **told}).status == 403
    assert guarded.application.at("/socket") == []


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_a_body_arrives_unharmed(guarded: Guarded, size: int) -> None:
    """The check takes nothing of it."""
    body = secrets.token_bytes(size)
    for client_id in ("web", "tool"):
        device = guarded.person().sign_in(client_id)
        answer = device.call("POST", "/body", body, headers=OWN)
        assert answer.status == 200
        assert answer.json["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_body_in_chunks_arrives_unharmed(guarded: Guarded) -> None:
    """Its length is not known when the check is asked. HAProxy refuses it: see the page."""
    cookie = guarded.person().sign_in("web").headers()["Cookie"]
    head = f"POST /chunks HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {cookie}\r\n"
    body = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    answer = guarded.site.raw(head.encode() + body)
    expected = b"411" if guarded.name == "haproxy" else b"200"
    assert answer.split()[1] == expected
    arrived = [seen.body for seen in guarded.application.at("/chunks")]
    assert arrived == ([] if guarded.name == "haproxy" else [b"abcde"])


def test_a_person_who_opens_a_page_is_sent_to_sign_in(guarded: Guarded) -> None:
    """And comes back to where they wanted to go; a program is only refused."""
    answer = guarded.site.call("GET", "/orders?page=2&of=7", headers=PAGE)
    assert answer.status == 302
    assert answer.header("location") == "/login?next=/orders%3Fpage%3D2%26of%3D7"
    for headers in ({}, {"Accept": "application/json"}):
        assert guarded.site.call("GET", "/orders", headers=headers).status == 401
    assert guarded.site.call("POST", "/orders", b"x", headers=PAGE).status == 401


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "/%2e%2e//evil.example", "/\\evil.example", "/x%0d%0aSet-Cookie:%20a=b"],
)
def test_the_way_back_never_leads_elsewhere(guarded: Guarded, path: str) -> None:
    """However the path is written, the address to go to is the sign-in page of this host."""
    answer = guarded.site.call("GET", path, headers=PAGE)
    location = answer.header("location")
    if location is not None:
        assert answer.status == 302
        assert location.startswith("/login?next=/")
        assert not location.startswith("/login?next=//")
    else:
        assert answer.status in {400, 401}
    assert answer.set_cookies() == []


def test_signing_in_and_out_goes_through_the_proxy(guarded: Guarded) -> None:
    """Counterfoil's own paths are not checked, and reach Counterfoil."""
    device = guarded.person().sign_in("web")
    assert device.who().json["client_id"] == "web"
    assert guarded.site.call("GET", "/.well-known/jwks.json").status == 200
    assert device.sign_out().json["revoked"] == 1
    assert device.call("GET", "/signed-out").status == 401


def test_several_requests_share_a_connection(guarded: Guarded) -> None:
    """Each is checked for itself, whatever was let in before it."""
    cookie = guarded.person().sign_in("web").headers()["Cookie"]
    bare = b"GET /shared HTTP/1.1\r\nHost: a\r\n"
    good = bare + f"Cookie: {cookie}\r\n".encode()
    end = b"\r\n"
    answers = guarded.site.raw(
        good + end + bare + end + good + end + bare + b"Connection: close\r\n" + end
    )
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"401", b"200", b"401"]
