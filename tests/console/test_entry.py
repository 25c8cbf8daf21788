"""Who gets into the console, and what all of its pages have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import live
from console.administering import Desk, administrator, events
from counterfoil.drive import drive
from counterfoil.server.pages.console import routes
from pages.visiting import Guest, notice, place, text_of

if TYPE_CHECKING:
    from counterfoil.stores.rows import Transaction

PATHS = [route.path for route in routes.ROUTES if hasattr(route, "path")]
FILLED = [re.sub(r"\{\w+(:path)?\}", "x", path) for path in PATHS if "rest" not in path]


def methods(path: str, guest: Guest) -> list[str]:
    told = guest.site.call("DELETE", path).header("allow") or ""
    return [each for each in told.split(", ") if each != "HEAD"]


@pytest.mark.parametrize("path", FILLED)
def test_who_is_not_signed_in_is_asked_to_and_led_back(guest: Guest, path: str) -> None:
    """A page is come back to; a form leads to the overview, for nothing is sent again by itself."""
    for method in methods(path, guest):
        answer = guest.get(f"{path}?a=b") if method == "GET" else guest.post(path)
        led = f"{path}%3Fa%3Db" if method == "GET" else "/admin"
        assert place(answer) == f"/login?next={led}"


def test_the_sign_in_leads_back_to_the_page(site: live.Site) -> None:
    """With what its address asked for."""
    guest, person = Guest(site), administrator(site)
    wanted = place(guest.get("/admin/sessions?client=api&state=all"))
    assert place(guest.sign_in(person, wanted)) == "/admin/sessions?client=api&state=all"


@pytest.mark.parametrize("path", FILLED)
def test_who_lacks_the_role_is_told_what_to_do(guest: Guest, path: str) -> None:
    """403 at every address and for every method, with a next step, and nothing is done."""
    guest.sign_in(guest.site.person())
    for method in methods(path, guest):
        answer = guest.get(path) if method == "GET" else guest.post(path, password="x")
        assert answer.status == 403
        assert "needs the role admin" in text_of(answer)
        assert "Ask an administrator" in text_of(answer)


def test_the_role_counts_as_the_record_has_it_now(desk: Desk) -> None:
    """Taken away, the very next page is refused."""
    assert desk.get("/admin").status == 200
    path = f"/v1/admin/accounts/{desk.person.subject}"
    desk.site.administrator().call("PATCH", path, {"roles": []})
    assert desk.get("/admin").status == 403


@pytest.mark.parametrize("path", FILLED)
def test_what_another_site_sends_changes_nothing(desk: Desk, path: str) -> None:
    """Every form is refused with 403 where it comes from elsewhere."""
    if "POST" in methods(path, desk):
        answer = desk.post(path, {"Sec-Fetch-Site": "cross-site"}, password=desk.person.password)
        assert answer.status == 403
        assert "sent from another site" in text_of(answer)


@pytest.mark.parametrize("path", ["/admin", "/admin/sessions"])
def test_nothing_is_inline_framed_or_stored(desk: Desk, path: str) -> None:
    """The policy of all pages, and besides that a page may ask this site alone."""
    answer = desk.get(path)
    policy = (answer.header("content-security-policy") or "").split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} <= set(policy)
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in " ".join(policy)
    assert answer.header("cache-control") == "no-store"
    text = answer.raw.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=)", text)


def test_a_page_that_is_left_open_is_no_use_of_the_session(desk: Desk) -> None:
    """What it asks for by itself leaves `last_seen_at` as it is; what a person opens does not."""
    assert desk.site.server is not None
    rows = desk.site.server.store.blocking().rows
    of_hers = (desk.person.subject,)
    long_ago = "UPDATE cf_sessions SET last_seen_at = last_seen_at - 600000000 WHERE subject = ?"

    async def before(transaction: Transaction) -> int:
        return await transaction.run(long_ago, of_hers)

    def seen() -> list[tuple[int]]:
        return drive(rows.all("SELECT last_seen_at FROM cf_sessions WHERE subject = ?", of_hers))

    drive(rows.transaction(before))
    then = seen()
    assert desk.get("/admin", {"Counterfoil-Live": "1"}).status == 200
    assert seen() == then
    assert desk.get("/admin").status == 200
    live.until(lambda: seen() > then)


def test_who_looks_on_is_refused_as_all_others_are(desk: Desk) -> None:
    """Without the role, and once the session has ended."""
    asking = {"Counterfoil-Live": "1"}
    path = f"/v1/admin/accounts/{desk.person.subject}"
    desk.site.administrator().call("PATCH", path, {"roles": []})
    assert desk.get("/admin", asking).status == 403
    desk.site.administrator().call("DELETE", f"/v1/admin/sessions?subject={desk.person.subject}")
    assert place(desk.get("/admin", asking)).startswith("/login")


def test_where_there_is_no_page_one_is_told(desk: Desk) -> None:
    """404, and where to go."""
    answer = desk.get("/admin/nothing")
    assert answer.status == 404
    assert "nothing at this address" in text_of(answer)


def test_the_trail_names_the_administrator_of_the_api_too(desk: Desk) -> None:
    """Whatever is changed by `/v1/admin` says by whom."""
    someone, asking = desk.site.person(), desk.person.sign_in("api")
    path = f"/v1/admin/accounts/{someone.subject}"
    assert asking.call("PATCH", path, {"roles": ["editor"]}).status == 200
    kinds = {each["kind"]: each["detail"] for each in events(desk.site, subject=someone.subject)}
    assert kinds["account_changed"]["by"] == desk.person.subject
    assert kinds["claims_changed"]["by"] == desk.person.subject
    assert "by" not in kinds["account_registered"]


def test_nothing_is_said_to_be_done_by_a_link(desk: Desk) -> None:
    """Without the cookie, the page that tells how an ending spreads tells of none."""
    answer = desk.get("/admin/ended?count=3")
    assert "nothing was ended" in text_of(answer)
    assert notice(answer) == ""
