"""What all pages have in common."""

from __future__ import annotations

import re

import pytest

from pages.visiting import FORM, Guest, place, text_of

PAGES = {
    "/login": "GET, POST",
    "/register": "GET, POST",
    "/account": "GET",
    "/logout": "POST",
    "/account/password": "POST",
    "/account/not-me": "GET",
    "/account/sessions/x/not-me": "POST",
    "/account/sessions/end-others": "POST",
    "/account/sessions/x/end": "POST",
}
SHOWN = [path for path, methods in PAGES.items() if "GET" in methods]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("path", PAGES)
def test_no_answer_is_stored_framed_or_sniffed(guest: Guest, path: str) -> None:
    """Every answer of every address, redirects and refusals too, has the headers."""
    answers = [
        guest.get(path),
        guest.post(path),
        guest.post(path, {"Sec-Fetch-Site": "cross-site"}),
        guest.site.call("DELETE", path),
    ]
    guest.sign_in(guest.site.person())
    answers += [guest.get(path), guest.post(path)]
    for answer in answers:
        policy = answer.header("content-security-policy") or ""
        for rule in (
            "default-src 'none'",
            "script-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ):
            assert rule in policy.split("; ")
        assert "data:" not in policy
        assert "unsafe" not in policy
        assert answer.header("cache-control") == "no-store"
        assert answer.header("vary") == "Cookie"
        assert answer.header("referrer-policy") == "same-origin"
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("cross-origin-opener-policy") == "same-origin"
        assert answer.header("permissions-policy")


@pytest.mark.parametrize("path", SHOWN)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(guest: Guest, path: str) -> None:
    """No script, style or event attribute in the page; every address in it is a path here."""
    guest.sign_in(guest.site.person())
    for answer in (Guest(guest.site).get(path), guest.get(path), guest.post(path)):
        text = answer.raw.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=)", text)
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', text):
            assert re.match(r"/(?!/)|#", address), address


@pytest.mark.parametrize(("path", "methods"), PAGES.items())
def test_another_method_gets_a_page_that_says_so(guest: Guest, path: str, methods: str) -> None:
    """405 with the methods that there are."""
    for method in {"GET", "POST", "PUT", "DELETE", "OPTIONS"} - set(methods.split(", ")):
        answer = guest.site.call(method, path)
        assert answer.status == 405
        told = set((answer.header("allow") or "").split(", "))
        assert told == {*methods.split(", "), *(["HEAD"] if "GET" in methods else [])}
        assert "no such request" in text_of(answer)


@pytest.mark.parametrize("path", SHOWN)
def test_head_is_get_without_a_body(guest: Guest, path: str) -> None:
    """The same status and headers."""
    for _ in range(2):
        head = guest.site.call("HEAD", path, headers=guest._cookie())  # noqa: SLF001 - no call of its own for one test
        get = guest.get(path)
        assert (head.status, head.raw) == (get.status, b"")
        assert head.header("content-length") == get.header("content-length")
        guest.sign_in(guest.site.person())


def test_pages_are_no_part_of_the_api(guest: Guest) -> None:
    """Not in its document; and the API goes on answering problems, to browsers too."""
    document = guest.site.call("GET", "/openapi.json").json
    assert not {*PAGES, "/counterfoil/static/{name}"} & set(document["paths"])
    for path in ("/v1/session", "/nothing", "/accounts", "/counterfoil/static/none"):
        answer = guest.site.call("GET", path, headers={"Accept": BROWSER})
        assert answer.header("content-type") == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/account/", "/account/nothing", "/account/sessions/x", "/login/", "/register/now"]
)
def test_below_a_page_nothing_is_a_page_too(guest: Guest, path: str) -> None:
    """404 for every method, with a way back: people type a slash too many."""
    for method in ("GET", "POST", "DELETE"):
        answer = guest.site.call(method, path)
        assert answer.status == 404
        assert "There is nothing at this address" in text_of(answer)
        assert b'href="/account"' in answer.raw
        assert answer.header("cache-control") == "no-store"


def test_static_files_are_kept_for_good(guest: Guest) -> None:
    """At addresses that change with what they hold, with their types; other names are not there."""
    text = guest.get("/login").raw.decode()
    found = re.findall(r'"(/counterfoil/static/[^"]+)"', text)
    kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
    assert {path.rpartition(".")[2] for path in found} == {"css", "js", "svg"}
    for path in found:
        answer = guest.get(path)
        assert answer.status == 200
        kind = kinds.get(path.rpartition(".")[2], "image/svg+xml")
        assert answer.header("content-type") == kind
        assert answer.header("cache-control") == "public, max-age=31536000, immutable"
        assert answer.header("x-content-type-options") == "nosniff"
        assert guest.site.call("HEAD", path).status == 200
    for name in ("", "pages.css", "../answers.py", "..%2Fanswers.py", found[0][-8:]):
        assert guest.get(f"/counterfoil/static/{name}").status == 404


@pytest.mark.parametrize(
    ("accept", "is_sent_on"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("TEXT/HTML;q=0.5, application/json;q=0.4", True),
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html;q=x", True),
        (None, False),
    ],
)
def test_a_browser_is_sent_to_the_pages(guest: Guest, accept: str | None, is_sent_on: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """From `/`, and from the account to sign-in; programs are given the index."""
    answer = guest.get("/", {"Accept": accept} if accept else {})
    assert answer.header("vary") == "Accept"
    if is_sent_on:
        assert place(answer) == "/account"
        assert place(guest.get("/account")) == "/login"
    else:
        assert answer.json["name"] == "Counterfoil"


def test_a_body_that_does_not_end_is_not_waited_for(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page with 400 after the time that a body has."""
    monkeypatch.setattr("counterfoil.integrations.fastapi.body.WITHIN", 0.2)
    head = f"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 9\r\n\r\n"
    answer = guest.site.raw(head.encode() + b"a=")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"did not arrive within" in answer


def test_a_failure_is_a_page_without_what_failed(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 says that it was noted; neither page nor log repeats what was sent."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("marker in a message")

    monkeypatch.setattr("counterfoil.server.accounts.Accounts.register", fail)
    answer = guest.post("/register", identifier="marker", password="marker")
    assert answer.status == 500
    assert "Something went wrong" in text_of(answer)
    assert b"marker" not in answer.raw
    assert "marker" not in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_bearer_header_beside_the_cookie_changes_nothing(guest: Guest) -> None:
    """Pages look at cookies alone: a proxy may ask for a password of its own."""
    guest.sign_in(guest.site.person())
    basic = {"Authorization": "Basic eDp5"}
    assert guest.get("/account", basic).status == 200
    cross = {**basic, "Sec-Fetch-Site": "cross-site"}
    assert guest.post("/account/sessions/end-others", cross).status == 403


def test_the_cookie_twice_is_refused(guest: Guest) -> None:
    """Which of the two would count is a guess: a page with 400, and no redirects in a ring."""
    guest.sign_in(guest.site.person())
    ((name, value),) = guest.cookies.items()
    answer = Guest(guest.site).get("/account", {"Cookie": f"{name}={value}; {name}={value}"})
    assert answer.status == 400
    assert "more than once" in text_of(answer)
