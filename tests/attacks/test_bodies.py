"""Bodies that cannot be read in one way: refused by a code, with nothing of them in the answer."""

from __future__ import annotations

import json
from typing import Final

import pytest

import live

JSON: Final = {"Content-Type": "application/json"}
SIGN_IN: Final = {"client_id": "api", "identifier": "marker@example.org", "password": live.PASSWORD}
PLAIN: Final = json.dumps(SIGN_IN).encode()
BODIES: Final = {
    "empty": b"",
    "space": b" \r\n",
    "not JSON": b"marker",
    "cut off": PLAIN[:-1],
    "two objects": PLAIN + PLAIN,
    "a member twice": PLAIN[:-1] + b', "password": "marker"}',
    "a member twice by escape": PLAIN[:-1] + b', "passw\\u006frd": "marker"}',
    "an unknown member": json.dumps({**SIGN_IN, "marker": 1}).encode(),
    "a member by another case": json.dumps({**SIGN_IN, "Password": "marker"}).encode(),
    "a list": b"[" + PLAIN + b"]",
    "a string": b'"marker"',
    "null": b"null",
    "a number": b"1",
    "NaN": PLAIN[:-1] + b', "x": NaN}',
    "infinity": PLAIN[:-1] + b', "x": -Infinity}',
    "a comment": PLAIN + b"// marker",
    "a trailing comma": PLAIN[:-1] + b",}",
    "single quotes": PLAIN.replace(b'"', b"'"),
    "deep": b'{"client_id":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "a long number": b'{"client_id": ' + b"9" * 40_000 + b"}",
    "a large exponent": b'{"client_id": 1e999999}',
    "BOM": b"\xef\xbb\xbf" + PLAIN,
    "UTF-16": PLAIN.decode().encode("utf-16"),
    "UTF-32": PLAIN.decode().encode("utf-32-le"),
    "not UTF-8": PLAIN.replace(b"marker", b"mark\xff\xfe"),
    "overlong UTF-8": PLAIN.replace(b"marker", b"mark\xc0\xaf"),
    "surrogates as UTF-8": PLAIN.replace(b"marker", b"mark\xed\xa0\x80"),
    "a lone surrogate in the identifier": PLAIN.replace(b"marker", b"mark\\ud800"),
    "a lone surrogate in the password": PLAIN.replace(b"otters", b"\\udfff"),
    "a lone surrogate in a name": PLAIN[:-1] + b', "\\ud800": 1}',
    "NUL by escape": PLAIN.replace(b"otters", b"\\u0000"),
    "NUL": PLAIN.replace(b"otters", b"\0"),
    "a control character": PLAIN.replace(b"otters", b"\n"),
    "no password": json.dumps({"client_id": "api", "identifier": "marker"}).encode(),
    "password null": json.dumps({**SIGN_IN, "password": None}).encode(),
    "password empty": json.dumps({**SIGN_IN, "password": ""}).encode(),
    "password a number": json.dumps({**SIGN_IN, "password": 1}).encode(),
    "password a list": json.dumps({**SIGN_IN, "password": ["marker"]}).encode(),
    "password true": json.dumps({**SIGN_IN, "password": True}).encode(),
    "identifier an object": json.dumps({**SIGN_IN, "identifier": {"$ne": "marker"}}).encode(),
    "identifier long": json.dumps({**SIGN_IN, "identifier": "m" * 256}).encode(),
    "identifier with a line end": json.dumps({**SIGN_IN, "identifier": "marker\n"}).encode(),
    "client_id long": json.dumps({**SIGN_IN, "client_id": "m" * 65}).encode(),
}
CALLS: Final = [
    ("POST", "/v1/sessions"),
    ("POST", "/v1/accounts"),
    ("POST", "/v1/session/refresh"),
    ("POST", "/v1/session/step-up"),
    ("POST", "/v1/account/password"),
    ("PATCH", "/v1/admin/accounts/x"),
    ("POST", "/v1/admin/keys/rotate"),
]


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_not_what_was_asked_for_is_malformed(
    site: live.Site, admin: live.Device, name: str
) -> None:
    """Whatever the call, signed in or not; the answer repeats nothing, and the session goes on."""
    body = BODIES[name]
    for method, path in CALLS:
        answer = admin.call(method, path, body, JSON)
        if path == "/v1/session/refresh":  # there a body is not needed, a bearer header too much
            answer = site.call(method, path, body, JSON)
        assert answer.status in {400, 401}, (path, answer)
        assert answer.code == ("malformed" if body else answer.code), (path, answer)
        assert b"marker" not in answer.raw
        assert live.PASSWORD.encode() not in answer.raw
    assert admin.who().status == 200


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_a_body_past_the_limit_is_too_large(site: live.Site, size: int) -> None:
    """Refused while it arrives, with a length or in chunks; at the limit it is read."""
    padding = b" " * (size - len(PLAIN))
    for path in ("/v1/sessions", "/v1/session/refresh", "/v1/accounts"):
        answer = site.call("POST", path, PLAIN + padding, JSON)
        assert (answer.status, answer.code) == (413, "too_large")
    chunk = b"%x\r\n%s\r\n" % (size, b" " * size)
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer_raw = site.raw(head + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
    assert answer_raw.startswith(b"HTTP/1.1 413")
    assert b'"too_large"' in answer_raw
    at_limit = PLAIN + b" " * (65_536 - len(PLAIN))
    assert site.call("POST", "/v1/sessions", at_limit, JSON).code == "sign_in_refused"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/session"),
        ("DELETE", "/v1/session"),
        ("DELETE", "/v1/sessions"),
        ("DELETE", "/v1/sessions/x"),
        ("POST", "/v1/admin/keys/x/distrust"),
        ("DELETE", "/v1/admin/sessions?client_id=api"),
    ],
)
def test_a_body_that_nobody_would_read_is_refused(site: live.Site, method: str, path: str) -> None:
    """`{"keep": "current"}` sent as a body must not end every session."""
    device = site.person().sign_in("api")
    answer = device.call(method, path, {"keep": "current"})
    assert (answer.status, answer.code) == (400, "malformed")
    assert device.who().status == 200


def test_compressed_bodies_are_not_read(site: live.Site) -> None:
    """There is nothing to decompress, so no small body can become a large one."""
    answer = site.call(
        "POST", "/v1/sessions", b"\x1f\x8b" + PLAIN, {**JSON, "Content-Encoding": "gzip"}
    )
    assert (answer.status, answer.code) == (400, "malformed")


@pytest.mark.parametrize(
    "query",
    [
        "x=y",
        "client_id=web&client_id=web",
        "client_id=web&CLIENT_ID=web",
        "Client_Id=web",
        "client_id[]=web",
        "client_id=" + "w" * 65,
        "&&&x",
        "%00=1",
        "x" * 10_000 + "=1",
        "&".join(f"p{number}=1" for number in range(5_000)),
    ],
)
def test_a_query_that_is_not_understood_is_refused(site: live.Site, query: str) -> None:
    """Unknown, repeated, misspelt or too long: 400, and nothing is taken for anything else."""
    device = site.person().sign_in("web")
    for method, path in (
        ("GET", "/v1/session"),
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/session"),
    ):
        answer = device.call(method, f"{path}?{query}")
        assert (answer.status, answer.code) == (400, "malformed")
        assert query[:20].encode() not in answer.raw or len(query) < 5
    assert device.who().status == 200


@pytest.mark.parametrize(
    "session_id",
    [
        "%00",
        "%FF",
        "%ED%A0%80",
        "%2e%2e",
        "%2F",
        "a%2Fb",
        "%25",
        "%",
        "%zz",
        "a" * 10_000,
        "%F0%9F%92%A9" * 500,
        "x;drop",
        "x'--",
        "*",
        "{session_id}",
        "null",
        "cf_" + "A" * 60,
    ],
)
def test_an_id_of_any_text_is_only_not_found(
    site: live.Site, admin: live.Device, session_id: str
) -> None:
    """Percent-encoded, long, odd: 404, for one's own sessions and for an administrator."""
    device = site.person().sign_in("api")
    answer = device.call("DELETE", f"/v1/sessions/{session_id}")
    assert (answer.status, answer.code) == (404, "not_found")
    for method, path, body in (
        ("DELETE", f"/v1/admin/sessions/{session_id}", None),
        ("PATCH", f"/v1/admin/accounts/{session_id}", {"roles": []}),
        ("POST", f"/v1/admin/keys/{session_id}/distrust", None),
    ):
        answer = admin.call(method, path, body)
        assert (answer.status, answer.code) == (404, "not_found"), path
    assert [device.who().status, admin.who().status] == [200, 200]
