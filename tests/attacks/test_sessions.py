"""The classes S1 to S9 of attacks on sessions, cookies and refreshing, over HTTP.

The other half is in test_revocation.py. S20 (DPoP, DBSC) waits for proof of possession, which no
client here is offered; S21 (status lists and feed) is for the issue that brings feed and lists to
verifiers: what it asks of the mirror is in tests/test_status_*.py.
"""

from __future__ import annotations

import json
import pickle
import re
import sqlite3
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

import counterfoil
import live

MADE_UP: Final = f"cf_{'A' * 60}"
UNCLEAR: Final = ["", " ", '""', MADE_UP, "cf_", "0", "../../etc/passwd", "null", "A" * 4000]
PATHS: Final = [
    ("GET", "/v1/session"),
    ("POST", "/v1/session"),
    ("GET", "/v1/sessions"),
    ("POST", "/v1/sessions"),
    ("DELETE", "/v1/sessions/x"),
    ("POST", "/v1/session/refresh"),
    ("POST", "/v1/session/step-up"),
    ("POST", "/v1/account/password"),
    ("POST", "/v1/accounts"),
    ("GET", "/v1/admin/keys"),
    ("PATCH", "/v1/admin/accounts/x"),
    ("GET", "/v1/nothing"),
    ("BREW", "/v1/session"),
]


def as_cookie(client_id: str, text: str) -> dict[str, str]:
    return {"Cookie": f"__Host-cf_{client_id}={text}"}


def test_s1_a_session_that_the_server_did_not_make_is_never_adopted(site: live.Site) -> None:
    """A handle brought along is refused, and signing in over it makes a new session."""
    person = site.person()
    assert site.call("GET", "/v1/session", headers=as_cookie("web", MADE_UP)).status == 401
    sent = {"client_id": "web", "identifier": person.identifier, "password": person.password}
    answer = site.call("POST", "/v1/sessions", sent, as_cookie("web", MADE_UP))
    assert answer.status == 201
    assert MADE_UP not in str(answer.set_cookies())


def test_s1_a_session_that_an_attacker_planted_stays_the_attackers(site: live.Site) -> None:
    """Signing in over somebody else's cookie gives a session of one's own; theirs gains nothing."""
    attacker = site.person().sign_in("web")
    planted = attacker.headers()
    person = site.person()
    sent = {"client_id": "web", "identifier": person.identifier, "password": person.password}
    answer = site.call("POST", "/v1/sessions", sent, planted)
    assert answer.json["session"]["subject"] == person.subject
    assert answer.json["session"]["id"] != attacker.session_id
    assert site.call("GET", "/v1/session", headers=planted).status == 401


@pytest.mark.parametrize("how", ["refresh", "step-up", "privilege", "password"])
def test_s1_the_handle_changes_whenever_what_it_is_worth_does(
    site: live.Site, admin: live.Device, how: str
) -> None:
    """Refresh, step-up, new roles, new password: each replaces the handle; the session stays."""
    device = site.person().sign_in("web")
    before = device.cookies["__Host-cf_web"]
    if how == "refresh":
        device.refresh()
    elif how == "step-up":
        device.call("POST", "/v1/session/step-up", {"password": live.PASSWORD})
    elif how == "privilege":
        path = f"/v1/admin/accounts/{device.person.subject}"
        admin.call("PATCH", path, {"roles": ["editor"]})
        device.who()
    else:
        sent = {"current": live.PASSWORD, "new": live.OTHER}
        device.call("POST", "/v1/account/password", sent)
    assert device.cookies["__Host-cf_web"] != before
    assert device.who().json["session_id"] == device.session_id


def test_s2_nothing_is_written_for_a_credential_that_is_none(tmp_path: Path) -> None:
    """Blank, made up or malformed: no store is touched before somebody is known."""
    with live.serving(tmp_path / "data") as site:
        site.person().sign_in("web")
        database = sqlite3.connect(f"file:{site.data}/counterfoil.db?mode=ro", uri=True)
        try:
            before = database.execute("PRAGMA data_version").fetchone()
            for text in UNCLEAR:
                for headers in (as_cookie("web", text), {"Authorization": f"Bearer {text}"}):
                    for method, path in PATHS:
                        answer = site.call(method, path, headers=headers)
                        assert 400 <= answer.status < 500, (method, path, text)
                sent = {"refresh_handle": text or "x"}
                assert site.call("POST", "/v1/session/refresh", sent).status == 401
            assert database.execute("PRAGMA data_version").fetchone() == before
        finally:
            database.close()


def test_s3_no_answer_that_depends_on_a_credential_may_be_stored(site: live.Site) -> None:
    """Every answer under /v1, refusals and unknown addresses included: no-store, and Vary."""
    device = site.person().sign_in("web")
    answers = [device.who(), device.call("GET", "/v1/sessions"), device.refresh()]
    for method, path in PATHS:
        answers += [site.call(method, path), device.call(method, path)]
        answers.append(site.call(method, path, b"{", {"Content-Type": "application/json"}))
    answers += [device.sign_out(), device.who(), site.call("GET", "/v1/session?x=y")]
    for answer in answers:
        assert answer.header("cache-control") == "no-store", answer
        assert answer.header("vary") == "Cookie, Authorization", answer


def test_s4_the_newest_key_signs_and_all_that_are_published_verify(tmp_path: Path) -> None:
    """After a rotation new tokens name the new key, and those of the old one stay good."""
    with live.serving(tmp_path / "data") as site:
        admin, device = site.administrator(), site.person().sign_in("partner")
        old = device.headers()
        former = set(kids(site))
        admin.call("POST", "/v1/admin/keys/rotate", {"algorithm": "ES256"})
        device.refresh()
        active = {
            each["kid"]
            for each in admin.call("GET", "/v1/admin/keys").json["keys"]
            if (each["algorithm"], each["purpose"], each["state"]) == ("ES256", "tokens", "active")
        }
        assert {kid_of(device.token)} == active
        assert kid_of(old["Authorization"].removeprefix("Bearer ")) not in active
        assert former < set(kids(site))
        assert site.call("GET", "/v1/session", headers=old).status == 200
        assert device.who().status == 200


def kids(site: live.Site) -> list[str]:
    return [each["kid"] for each in site.call("GET", "/.well-known/jwks.json").json["keys"]]


def kid_of(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


@pytest.mark.parametrize(
    "field",
    [
        '$Version=1; __Host-cf_web="{}"',
        "\u2000__Host-cf_web={}",
        "\u00a0__Host-cf_web={}",
        "a=b; \t__Host-cf_web={}",
        "a=b;  __Host-cf_web={}",
        "__Host-cf_web ={}",
        "__host-cf_web={}",
        "=__Host-cf_web={}",
        "__Host-cf_web",
        "__Host-cf_web%3D{}",
        "__Host-cf_web\x7f={}",
        "cf_web={}",
        "__Secure-cf_web={}",
        "a,__Host-cf_web={}",
    ],
)
def test_s5_what_a_browser_would_not_protect_is_not_our_cookie(site: live.Site, field: str) -> None:
    """Names that only look like a `__Host-` name to a lenient parser are other names to us."""
    device = site.person().sign_in("web")
    handle = device.cookies["__Host-cf_web"]
    raw = b"GET /v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: "
    answer = site.raw(raw + field.format(handle).encode() + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4"), answer
    assert handle.encode() not in answer
    assert device.who().status == 200


def test_s5_a_tossed_second_cookie_is_refused_not_chosen_from(site: live.Site) -> None:
    """A subdomain may add a cookie of the same name: whichever comes first, neither counts."""
    device, attacker = site.person().sign_in("web"), site.person().sign_in("web")
    pair = [device.headers()["Cookie"], attacker.headers()["Cookie"]]
    for field in ("; ".join(pair), "; ".join(reversed(pair)), "; ".join([pair[0]] * 2)):
        assert site.call("GET", "/v1/session", headers={"Cookie": field}).code == "malformed"
    split = [("Cookie", pair[0]), ("Cookie", pair[1])]
    assert site.call("GET", "/v1/session", headers=split).code == "malformed"


def test_s6_no_code_here_builds_objects_from_what_was_stored_or_sent(site: live.Site) -> None:
    """A pickle is a malformed credential, and nothing in the package could unpickle it."""
    payload = urlsafe_b64encode(pickle.dumps({"admin": True})).decode().rstrip("=")
    for headers in (as_cookie("web", payload), {"Authorization": f"Bearer {payload}"}):
        assert site.call("GET", "/v1/session", headers=headers).status == 401
    dangerous = re.compile(r"\b(pickle|marshal|shelve|dill|jsonpickle|yaml|eval\(|exec\()")
    sources = Path(counterfoil.__file__).parent.rglob("*.py")
    assert [str(path) for path in sources if dangerous.search(path.read_text())] == []


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/vnd.api+json",
        "text/json",
        "application/json; charset=utf-16",
    ],
)
def test_s7_only_json_signs_in_so_no_form_can(site: live.Site, content_type: str | None) -> None:
    """A form on another site can send a body that reads as JSON, but not that content type."""
    person = site.person()
    sent = {"client_id": "web", "identifier": person.identifier, "password": person.password}
    body = json.dumps(sent).encode()
    headers = [] if content_type is None else [("Content-Type", content_type)]
    lines = [f"{name}: {value}" for name, value in headers]
    head = ["POST /v1/sessions HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *lines]
    answer = site.raw("\r\n".join([*head, "Connection: close", "", ""]).encode() + body)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b'"malformed"' in answer
    assert b"set-cookie" not in answer.lower()


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/v1/session",
        "/v1/session?next=https://evil.example",
        "/v1/session/?next=//evil.example",
        "/%2F%2Fevil.example",
        "/\\evil.example",
        "/v1/sessions/",
        "/.well-known/../v1/session",
        "/.well-known//evil.example",
    ],
)
def test_s8_nothing_redirects(site: live.Site, path: str) -> None:
    """No call answers with a redirect; tests/pages has where the pages lead."""
    for method in ("GET", "POST", "HEAD"):
        answer = site.call(method, path)
        assert 400 <= answer.status < 500, (method, path, answer)
        assert answer.header("location") is None
        assert b"evil" not in answer.raw


def test_s9_a_race_of_refreshes_never_forks_the_family(site: live.Site) -> None:
    """Two devices that hold one handle, refreshing in step, have the same handle all the way."""
    device = site.person().sign_in("api")
    handles = {device.handle}
    for _ in range(5):
        together = threading.Barrier(8)

        def one(_: int, handle: str = device.handle, barrier: threading.Barrier = together) -> str:
            barrier.wait()
            copy = live.Device(device.person, "api", device.session_id, handle=handle)
            assert copy.refresh().status == 200
            return copy.handle

        with ThreadPoolExecutor(8) as threads:
            (successor,) = set(threads.map(one, range(8)))
        assert successor not in handles
        handles.add(successor)
        device.handle = successor
    assert device.refresh().status == 200
