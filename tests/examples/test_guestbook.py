from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import pytest

import serving
from browsers import chromium
from examples.running import example

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Page

    from examples.running import Example
    from live import Answer

ACCESS: Final = 2  # seconds
PASSWORD: Final = "nine otters juggle"
NOWHERE: Final = ("Origin", "null")  # a sandboxed frame, in a browser without Fetch Metadata
TOKEN, HANDLE = "__Host-cf_guestbook", "__Host-cf_guestbook_r"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Example, list[str]]]:
    """The example, after the commands that it prints: ann is there, and has written."""
    folder = tmp_path_factory.mktemp("guestbook")
    with example("guestbook", folder, "--access-seconds", str(ACCESS)) as running:
        yield running, running.type_in()


@pytest.fixture
def guestbook(printed: tuple[Example, list[str]]) -> Example:
    return printed[0]


def post(book: Example, path: str, fields: Mapping[str, str], *headers: tuple[str, str]) -> Answer:
    kind = ("Content-Type", "application/x-www-form-urlencoded")
    return book.call("POST", path, urlencode(fields).encode(), [kind, *headers])


def signed_in(book: Example, path: str = "/sign-in", name: str = "ann") -> dict[str, str]:
    answer = post(book, path, {"name": name, "password": PASSWORD})
    assert (answer.status, answer.header("location")) == (303, "/")
    return cookies_of(answer)


def cookies_of(answer: Answer) -> dict[str, str]:
    return dict(line.partition(";")[0].split("=", 1) for line in answer.set_cookies())


def cookie(cookies: Mapping[str, str]) -> tuple[str, str]:
    return "Cookie", "; ".join(f"{name}={text}" for name, text in cookies.items())


def page(book: Example, cookies: Mapping[str, str]) -> Answer:
    return book.call("GET", "/", headers=[cookie(cookies)])


def test_the_printed_commands_do_what_they_say(printed: tuple[Example, list[str]]) -> None:
    """Typed in, they register, write, are refused what another site sends, and sign out."""
    said = "\n".join(printed[1])
    registered, written, refused, ended = said.split("<main>")[1:]
    assert "signed in as ann" in registered
    assert "&lt;b&gt;Lovely&lt;/b&gt; otters" in written
    assert "another site" in refused
    assert "I am new here" in ended
    assert "Lovely" in ended
    assert "Rubbish" not in said


def test_a_session_is_renewed_unseen(guestbook: Example) -> None:
    """When the token has expired, the next page is still theirs and brings new cookies."""
    cookies = signed_in(guestbook)
    time.sleep(ACCESS + 0.1)
    answer = page(guestbook, {HANDLE: cookies[HANDLE]})
    assert b"signed in as ann" in answer.raw
    renewed = cookies_of(answer)
    assert {TOKEN, HANDLE} == renewed.keys()
    assert renewed[HANDLE] != cookies[HANDLE]
    assert b"signed in as ann" in page(guestbook, renewed).raw


def test_a_sign_out_ends_the_session(guestbook: Example) -> None:
    """The cookies are taken back, and whoever kept them is a visitor who can write nothing."""
    cookies = signed_in(guestbook)
    answer = post(guestbook, "/sign-out", {}, cookie(cookies))
    assert all("Max-Age=0" in line for line in answer.set_cookies())
    assert b"I am new here" in page(guestbook, cookies).raw
    refused = post(guestbook, "/entries", {"text": "still here"}, cookie(cookies))
    assert refused.status == 401
    assert b"still here" not in page(guestbook, {}).raw


def test_another_site_sends_no_form(guestbook: Example) -> None:
    """Whatever form another site has a browser send: nothing is written, nobody is signed out,
    registered or signed in."""
    cookies = signed_in(guestbook)
    ann, eve = ({"name": name, "password": PASSWORD} for name in ("ann", "eve"))
    for sent in (*(("Sec-Fetch-Site", site) for site in ("cross-site", "same-site")), NOWHERE):
        assert post(guestbook, "/entries", {"text": "spam"}, cookie(cookies), sent).status == 403
        assert post(guestbook, "/sign-out", {}, cookie(cookies), sent).status == 403
        for path, fields in (("/sign-in", ann), ("/register", eve)):
            answer = post(guestbook, path, fields, sent)
            assert (answer.status, answer.set_cookies()) == (403, [])
    shown = page(guestbook, cookies).raw
    assert b"signed in as ann" in shown
    assert b"spam" not in shown
    assert post(guestbook, "/sign-in", eve).status == 401


def test_what_is_wrong_is_told_on_a_page(guestbook: Example) -> None:
    """A wrong password, a taken name, a short password, an empty field, a form that is too long."""
    wrong = post(guestbook, "/sign-in", {"name": "ann", "password": "walruses knit hats"})
    assert wrong.status == 401
    assert b"Check the identifier and the password." in wrong.raw
    assert post(guestbook, "/register", {"name": "ann", "password": PASSWORD}).status == 409
    assert post(guestbook, "/register", {"name": "eve", "password": "short"}).status == 422
    assert post(guestbook, "/register", {"name": "", "password": PASSWORD}).status == 400
    assert post(guestbook, "/sign-in", {"name": "x" * 9000, "password": "y"}).status == 413


@pytest.fixture
def visit(guestbook: Example) -> Iterator[Page]:
    """A page of a real browser that runs no script."""
    with chromium() as browser:
        context = browser.new_context(java_script_enabled=False, base_url=guestbook.url)
        yield context.new_page()


def test_a_browser_without_script_signs_in_writes_and_signs_out(visit: Page) -> None:
    """Forms alone do all of it; what a guest writes is text, whatever it is. And a form of another
    origin is refused also where SameSite lets the cookies come along: on the same host."""
    visit.goto("/")
    visit.get_by_label("Name").fill("bob <i>")
    visit.get_by_label("Password").fill(PASSWORD)
    visit.get_by_role("button", name="I am new here").click()
    visit.get_by_label("Your words").fill("<script>alert(1)</script>")
    visit.get_by_role("button", name="Write").click()
    assert visit.get_by_role("article").first.inner_text().split("\n\n") == [
        "<script>alert(1)</script>",
        "bob <i>",
    ]
    elsewhere = (
        f"<form method=post action={visit.url}entries><input name=text value=spam><button></form>"
    )
    reply = serving.bytes_of(elsewhere.encode(), headers=("Content-Type: text/html",))
    with serving.answering(serving.saying(reply)) as other:
        visit.goto(other.url.replace("127.0.0.1", "localhost"))
        visit.get_by_role("button").click()
    assert "another site" in visit.get_by_role("alert").inner_text()
    visit.get_by_role("link", name="Back to the guestbook").click()
    assert "spam" not in visit.get_by_role("main").inner_text()
    visit.get_by_role("button", name="Sign out").click()
    visit.get_by_role("button", name="Sign in").wait_for()
    assert visit.context.cookies() == []
