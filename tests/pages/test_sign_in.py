"""Signing in and out by forms."""

from __future__ import annotations

from urllib.parse import quote

import pytest

import live
from pages.visiting import FORM, Guest, notice, place, somebody, summary, text_of, wrong_fields

CROSS = {"Sec-Fetch-Site": "cross-site"}


def test_a_sign_in_leads_to_the_account(guest: Guest) -> None:
    """303, a cookie, and the account behind it."""
    person = guest.site.person()
    answer = guest.sign_in(person)
    assert place(answer) == "/account"
    assert set(guest.cookies) == {"__Host-cf_web"}
    assert person.identifier in text_of(guest.get("/account"))


def test_a_sign_in_returns_to_where_it_came_from(guest: Guest) -> None:
    """The form carries `next` on, also over a refusal and to registration and back."""
    person, path = guest.site.person(), f"/login?next={quote('/orders?page=2', safe='/')}"
    wrong = guest.post(path, identifier=person.identifier, password=live.WRONG)
    for page in (guest.get(path), wrong, guest.get(path.replace("login", "register"))):
        assert b'action="/login?next=/orders%3Fpage%3D2"' in page.raw or b"register?" in page.raw
        assert page.raw.count(b"?next=/orders%3Fpage%3D2") == 2
    assert place(guest.sign_in(person, path)) == "/orders?page=2"
    assert place(guest.get(path)) == "/orders?page=2"


@pytest.mark.parametrize(
    "query",
    [
        "next=//evil.example",
        "next=https://evil.example",
        "next=/%5Cevil.example",
        "next=/%09/evil.example",
        "next=/%2509/evil.example",
        "next=/..//evil.example",
        "next=/a&next=//evil.example",
        "next=",
        "next=/a%0d%0aSet-Cookie:x=1",
    ],
)
def test_a_sign_in_never_leads_to_another_site(guest: Guest, query: str) -> None:
    """Before and after it, and in the form: the account instead, and no word about it."""
    assert b"evil" not in guest.get(f"/login?{query}").raw
    assert place(guest.sign_in(guest.site.person(), f"/login?{query}")) == "/account"
    assert place(guest.get(f"/login?{query}")) == "/account"
    assert place(guest.get(f"/register?{query}")) == "/account"


def test_a_wrong_password_and_an_unknown_account_are_told_alike(guest: Guest) -> None:
    """401 with the same words; the identifier stays in the form, the password does not."""
    known, unknown = guest.site.person().identifier, somebody()
    pages = []
    for identifier in (known, unknown):
        answer = guest.post("/login", identifier=identifier, password=live.WRONG)
        assert (answer.status, answer.header("www-authenticate")) == (
            401,
            'Bearer realm="counterfoil"',
        )
        assert summary(answer) == (
            "The identifier or the password is not right. Check what you typed, then try again."
        )
        assert wrong_fields(answer) == ["identifier", "password"]
        assert f'value="{identifier}"'.encode() in answer.raw
        assert live.WRONG.encode() not in answer.raw
        pages.append(answer.raw.replace(identifier.encode(), b""))
    assert pages[0] == pages[1]
    assert guest.cookies == {}


@pytest.mark.parametrize(
    ("fields", "status", "wrong"),
    [
        ({"identifier": "", "password": ""}, 400, ["identifier", "password"]),
        ({"identifier": "ann", "password": ""}, 400, ["password"]),
        ({"identifier": "an n", "password": "x"}, 400, ["identifier"]),
        ({"identifier": "ann\u00e9", "password": "x"}, 400, ["identifier"]),
        ({"identifier": '"><script>', "password": "x"}, 401, ["identifier", "password"]),
        ({"identifier": "ann", "password": "x" * 300}, 401, ["identifier", "password"]),
    ],
)
def test_what_cannot_be_is_told_in_the_form(
    guest: Guest, fields: dict[str, str], status: int, wrong: list[str]
) -> None:
    """With the API's status, the fields marked, and what was typed as text."""
    answer = guest.post("/login", **fields)
    assert (answer.status, wrong_fields(answer)) == (status, wrong)
    assert b'"><script>' not in answer.raw


def test_spaces_around_an_identifier_do_not_count(guest: Guest) -> None:
    """Phones add one when they complete a word."""
    person = guest.site.person()
    answer = guest.post("/login", identifier=f" {person.identifier} ", password=person.password)
    assert place(answer) == "/account"


@pytest.mark.parametrize("headers", [CROSS, {"Sec-Fetch-Site": "same-site"}])
def test_another_site_signs_nobody_in(guest: Guest, headers: dict[str, str]) -> None:
    """Login CSRF: a page with 403, no cookie, and nobody signed out or registered either."""
    person = guest.site.person()
    guest.sign_in(person)
    before = dict(guest.cookies)
    sent = {"identifier": somebody(), "password": live.PASSWORD}
    for path, fields in (
        ("/login", {"identifier": person.identifier, "password": person.password}),
        ("/register", sent),
        ("/logout", {}),
        ("/account/sessions/end-others", {}),
        ("/account/sessions/x/end", {}),
        ("/account/password", {"current": person.password, "new": live.OTHER}),
    ):
        answer = guest.post(path, headers, **fields)
        assert (answer.status, answer.set_cookies()) == (403, [])
        assert "This was sent from another site" in text_of(answer)
    assert guest.cookies == before
    assert guest.get("/account").status == 200
    assert guest.site.call("POST", "/v1/accounts", sent).status == 201


def test_without_fetch_metadata_the_origin_decides(guest: Guest) -> None:
    """Browsers from before it: our own origin passes, `null` and others do not."""
    person = guest.site.person()
    sent = f"identifier={quote(person.identifier)}&password={quote(person.password)}".encode()
    for origin, status in (("null", 403), ("https://evil.example", 403), (guest.site.url, 303)):
        headers = {"Content-Type": FORM, "Origin": origin}
        assert guest.site.call("POST", "/login", sent, headers).status == status


def test_signing_in_ends_the_session_that_it_replaces(guest: Guest) -> None:
    """Nobody holds the former cookie any more."""
    person = guest.site.person()
    guest.sign_in(person)
    former = Guest(guest.site, dict(guest.cookies))
    guest.sign_in(guest.site.person())
    assert place(former.get("/account")) == "/login"
    assert guest.get("/account").status == 200


def test_too_many_attempts_are_told_with_the_wait(guest: Guest) -> None:
    """429 with Retry-After, and in words; a device that is signed in is not affected."""
    person, device = guest.site.person(), Guest(guest.site)
    device.sign_in(person)
    for _ in range(12):
        person.try_sign_in(password=live.WRONG)
    answer = guest.post("/login", identifier=person.identifier, password=live.WRONG)
    assert answer.status == 429
    assert int(answer.header("retry-after") or 0) >= 1
    assert summary(answer).startswith("Too many attempts failed. Wait ")
    assert wrong_fields(answer) == []
    assert device.get("/account").status == 200


def test_a_suspended_account_is_told_only_after_its_password(
    guest: Guest, admin: live.Device
) -> None:
    """403 says whom to ask; a wrong password says what it always says."""
    person = guest.site.person()
    inside = Guest(guest.site)
    inside.sign_in(person)
    admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"state": "suspended"})
    answer = guest.sign_in(person)
    told = "This account is suspended. Ask an administrator to reinstate it."
    assert (answer.status, summary(answer)) == (403, told)
    assert guest.post("/login", identifier=person.identifier, password=live.WRONG).status == 401
    answer = inside.get("/account")
    assert answer.status == 403
    assert "This account is suspended" in text_of(answer)
    assert inside.get("/login").status == 200
    assert place(inside.post("/logout")) == "/login"
    assert inside.cookies.keys() == {"__Host-counterfoil_done"}


def test_signing_out_ends_the_session(guest: Guest) -> None:
    """The cookie is gone and worth nothing; the next page says so once."""
    guest.sign_in(guest.site.person())
    former = Guest(guest.site, dict(guest.cookies))
    assert place(guest.post("/logout")) == "/login"
    assert notice(guest.get("/login")) == "You are signed out."
    assert notice(guest.get("/login")) == ""
    assert guest.cookies == {}
    assert place(former.get("/account")) == "/login"
    assert former.get("/login").status == 200
    former.post("/logout")
    assert notice(former.get("/login")) == "You had been signed out already."


def test_a_sign_out_that_cannot_tell_which_session_is_not_called_done(guest: Guest) -> None:
    """Two cookies of the name: a page with 400, and the session goes on."""
    guest.sign_in(guest.site.person())
    ((name, value),) = guest.cookies.items()
    answer = Guest(guest.site).post("/logout", {"Cookie": f"{name}={value}; {name}={value}"})
    assert (answer.status, answer.set_cookies()) == (400, [])
    assert "You are not signed out yet." in text_of(answer)
    assert guest.get("/account").status == 200


@pytest.mark.parametrize("value", ["~", "cf_" + "A" * 60, "eyJ.a.b"])
def test_a_cookie_that_is_none_is_taken_away(guest: Guest, value: str) -> None:
    """It ends no session, so the page says that there was nothing to end."""
    guest.cookies = {"__Host-cf_web": value}
    assert place(guest.post("/logout")) == "/login"
    assert notice(guest.get("/login")) == "You had been signed out already."
    assert guest.cookies == {}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"identifier=a&password=b&more=c", FORM, 400),
        (b"identifier=a&identifier=a&password=b", FORM, 400),
        (b"identifier=a", FORM, 400),
        (b"identifier=%ff&password=b", FORM, 400),
        (b'{"identifier":"a","password":"b"}', "application/json", 400),
        (b"identifier=a&password=b", "text/plain", 400),
        (b"--x--", "multipart/form-data; boundary=x", 400),
        (b"identifier=a&password=" + b"x" * 70000, FORM, 413),
    ],
)
def test_a_body_that_is_not_the_form_is_refused(
    guest: Guest, body: bytes, kind: str, status: int
) -> None:
    """Other fields, twice the same, another type, too much: a page that says so."""
    answer = guest.site.call("POST", "/login", body, {"Content-Type": kind})
    assert answer.status == status
    assert "identifier=a" not in text_of(answer)
