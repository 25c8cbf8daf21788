"""What clients try on the wire: nothing that was not checked reaches the application, and nothing
that a client says about itself."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import live

if TYPE_CHECKING:
    from proxies.conftest import Guarded

SPELLINGS = [
    "X-Auth-Subject",
    "x-auth-subject",
    "X-AUTH-SUBJECT",
    "X_Auth_Subject",
    "X-Auth_Subject",
    "X_AUTH-SUBJECT",
    "X.Auth.Subject",
    "X.Auth_Subject",
    "X-Auth.Subject",
    "X-Auth-Subject ",
    " X-Auth-Subject",
    "X-Auth-Roles",
    "X_Auth_Roles",
    "X-Auth-Client",
    "X-Auth-Session",
]


def said(guarded: Guarded, data: bytes) -> bytes:
    """What the proxy says to these bytes until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", guarded.site.port), timeout=live.PATIENCE) as wire:
        answer = b""
        with suppress(OSError):
            wire.sendall(data)
            wire.settimeout(0.2)
            while more := wire.recv(65536):
                answer += more
        return answer


def request(method: str, target: str, *lines: str) -> bytes:
    """A request, on a connection that is then closed."""
    told = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: a", "Connection: close", *lines))
    return told.encode("latin-1") + b"\r\n\r\n"


def status(answer: bytes) -> int:
    """Of the first answer; 0 where the connection was closed without one."""
    return int(answer.split()[1]) if answer else 0


def nothing_is_forged(guarded: Guarded) -> bool:
    """All that reached the application was sent by whom the check named, and says so once."""
    assert {seen.subject for seen in guarded.application.seen} <= {guarded.member.person.subject}
    return "forged" not in str([seen.headers for seen in guarded.application.seen])


@pytest.fixture(autouse=True)
def afresh(guarded: Guarded) -> None:
    guarded.application.seen.clear()


def test_no_header_of_a_client_passes_for_one_of_the_proxy(guarded: Guarded) -> None:
    """Once, twice, before and after the credential, empty or not; however it is spelt."""
    cookie = f"Cookie: {guarded.cookie}"
    for spelling in SPELLINGS:
        claim, empty = f"{spelling}: forged", f"{spelling}:"
        for lines in ((claim, cookie), (cookie, claim), (claim, cookie, claim), (empty, cookie)):
            answer = guarded.site.raw(request("GET", "/forged", *lines))
            assert status(answer) in {200, 400, 401}, (lines, answer)
    assert nothing_is_forged(guarded)
    assert len(guarded.application.seen) > len(SPELLINGS)


def test_a_forged_header_is_no_credential(guarded: Guarded) -> None:
    """Without a credential it leads nowhere."""
    for spelling in SPELLINGS:
        answer = guarded.site.raw(request("GET", "/forged", f"{spelling}: forged"))
        assert status(answer) in {400, 401}, (spelling, answer)
    assert guarded.application.seen == []


@pytest.mark.parametrize(
    "named",
    ["X-Auth-Subject", "close, X-Auth-Subject, X-Auth-Roles", "keep-alive, x-auth-roles", "Cookie"],
)
def test_a_client_cannot_have_the_proxys_headers_dropped(guarded: Guarded, named: str) -> None:
    """A proxy removes what Connection names (RFC 9110 §7.6.1), but not what it says itself."""
    headers = {"Cookie": guarded.cookie, "Connection": named}
    answer = guarded.site.call("GET", "/hop", headers=headers)
    assert answer.status in {200, 400, 401}
    assert nothing_is_forged(guarded)
    assert all(seen.all("x-auth-roles") == ["editor"] for seen in guarded.application.seen)


def test_roles_are_never_those_of_the_client(guarded: Guarded) -> None:
    """Whoever has none gets none, although there is nothing to put in the place of the claim."""
    device = guarded.person().sign_in("web")
    answer = device.call("GET", "/roles", headers={"X-Auth-Roles": "admin"})
    assert answer.json["roles"] in ([], [""])


ODD_PATHS = [
    "/v1/../private",
    "/v1/%2e%2e/private",
    "/v1/..%2fprivate",
    "/v1/..%2Fprivate",
    "/v1/..;/private",
    "/v1%2f../private",
    "/v1/.%2e/%2e./private",
    "/v1/%252e%252e/private",
    "/login/../private",
    "/login/..%2fprivate",
    "/login;/../private",
    "/login/",
    "/account/../private",
    "/account/%2e%2e%2fprivate",
    "/.well-known/../private",
    "//private",
    "/./private",
    "/%2fprivate",
    "/private%00/v1/",
    "/private/v1/",
    "/private?/v1/",
    "/private#/v1/",
    "/private%3f/v1/",
    "/V1/private",
    "/v1",
    "/\\private",
    "/.check",
    "/%2echeck",
    "http://a/private",
    "http://a/v1/../private",
    "http://a/v1/%2e%2e/private",
    "*",
]


def test_no_way_to_write_a_path_gets_around_the_check(guarded: Guarded) -> None:
    """What is not checked goes to Counterfoil, so however a path is read, the application sees
    nothing."""
    for path in ODD_PATHS:
        for method in ("GET", "POST"):
            answer = guarded.site.raw(request(method, path, "Content-Length: 0"))
            assert status(answer) < 500, (method, path, answer)
    assert guarded.application.seen == []


SMUGGLED = (
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\nX-Auth-Subject: forged\r\nX-Auth-Roles: forged\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ("Content-Length: {n}\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", chunk(SMUGGLED) + b"0\r\n\r\n"),
        ("Content-Length: 0\r\nContent-Length: {n}", SMUGGLED),
        ("Content-Length: {n}\r\nContent-Length: 0", SMUGGLED),
        ("Content-Length: 0, {n}", SMUGGLED),
        ("Content-Length: +{n}", SMUGGLED),
        ("Content-Length: 0x10", SMUGGLED),
        ("Content-Length : {n}", SMUGGLED),
        ("Content-Length:\r\n {n}", SMUGGLED),
        ("Content-Length: {n}\r\nTransfer_Encoding: chunked", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding: xchunked", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding : chunked\r\nContent-Length: {n}", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding:\x0bchunked\r\nContent-Length: {n}", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"0\r\n\r\n" + SMUGGLED),
        ("X: y\nTransfer-Encoding: chunked\r\nContent-Length: {n}", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding: chunked", b"0\r\nX-Auth-Subject: forged\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"0;x\n\r\n\r\n" + SMUGGLED),
        ("Expect: 100-continue\r\nContent-Length: {n}", SMUGGLED),
        ("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA", SMUGGLED),
        ("X: y\rX-Auth-Subject: forged\r\nContent-Length: 0", b""),
        ("X: y\x00z\r\nContent-Length: 0", b""),
    ],
)
def test_no_request_hides_within_another(guarded: Guarded, lines: str, body: bytes) -> None:
    """What comes after an honest request in the same bytes is that request's body, or a request
    that is checked for itself; never one that the proxy did not see."""
    told = lines.format(n=len(body))
    head = f"POST /outer HTTP/1.1\r\nHost: a\r\nCookie: {guarded.cookie}\r\n{told}\r\n\r\n"
    said(guarded, head.encode("latin-1") + body)
    # And what the next client is told is for that client.
    assert guarded.member.call("GET", "/after").json["path"] == "/after"
    assert guarded.application.at("/smuggled") == []
    assert nothing_is_forged(guarded)


def test_a_request_that_follows_is_checked_for_itself(guarded: Guarded) -> None:
    """The same bytes in an honest form: the first is let in, the second is not."""
    head = f"GET /outer HTTP/1.1\r\nHost: a\r\nCookie: {guarded.cookie}\r\n\r\n"
    assert b" 401 " in said(guarded, head.encode() + SMUGGLED)
    assert len(guarded.application.at("/outer")) == 1
    assert guarded.application.at("/smuggled") == []


def test_large_headers_pass_or_are_refused(guarded: Guarded) -> None:
    """6000 bytes of other cookies do no harm; 200,000 are refused, and not by letting them in."""
    some, many = (f"{guarded.cookie}; other={'x' * size}" for size in (6000, 200_000))
    assert guarded.site.call("GET", "/some", headers={"Cookie": some}).status == 200
    answer = said(guarded, request("GET", "/many", f"Cookie: {many}"))
    assert status(answer) in {0, 400, 401, 413, 431}, answer
    assert guarded.application.at("/many") == []


@pytest.mark.parametrize(
    "lines",
    [
        "Cookie: {good}\r\nCookie: {good}",
        "Cookie: {good}; {good}",
        "Authorization: Bearer x\r\nAuthorization: Bearer y",
        "Authorization: Basic eDp5\r\nCookie: {good}",
        "Authorization:\r\nCookie: {good}",
        "Cookie: __Host-cf_web=",
        "Cookie: __Host-cf_web=cf_AAAA",
        "Cookie: __Secure-cf_web=x",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(guarded: Guarded, lines: str) -> None:
    """S19: 401, the only refusal beside 403 that nginx understands."""
    answer = guarded.site.raw(request("GET", "/twice", lines.format(good=guarded.cookie)))
    assert status(answer) in {400, 401}
    assert guarded.application.seen == []
