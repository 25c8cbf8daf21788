"""Servers that are set up in other ways: another client, none, a path before the pages; outages."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.errors import Overloaded, SessionRevoked, StoreUnavailable
from counterfoil.lifetime import Lifetime
from counterfoil.server.settings import load
from counterfoil.server.tables.accounts import stamp
from counterfoil.server.tables.clients import ClientRows
from counterfoil.server.throttle import address_key
from pages.visiting import Guest, notice, place, summary, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.stores.rows import Transaction

SWIFT = Lifetime(access=timedelta(seconds=1))


@contextmanager
def arranged(data: Path, *clients: Client, **settings: Any) -> Iterator[Guest]:
    """A server of its own, with these clients."""
    with live.serving(data, **settings) as site:
        assert site.server is not None
        rows = ClientRows(site.server.store.blocking().rows, site.server.settings.lifetime)
        for client in clients:
            assert drive(rows.add(client, at=datetime.now(UTC), own_lifetime=True))
        yield Guest(site)


def test_a_hybrid_is_refreshed_on_the_way(tmp_path: Path) -> None:
    """With the token expired, dropped by the browser or stale, pages go on, under new cookies."""
    swift = Client(
        client_id="swift", strategy="hybrid", carrier="cookie", manage=True, lifetime=SWIFT
    )
    with arranged(tmp_path / "data", swift, pages_client="swift") as guest:
        person = guest.site.person()
        guest.sign_in(person)
        token, handle = "__Host-cf_swift", "__Host-cf_swift_r"
        assert set(guest.cookies) == {token, handle}
        for is_dropped in (False, True):
            former = dict(guest.cookies)
            if is_dropped:
                del guest.cookies[token]
            else:
                live.until(lambda: _is_expired(guest, token))
            assert guest.get("/account").status == 200
            assert guest.cookies.keys() == former.keys()
            assert not {*guest.cookies.values()} & {*former.values()}
        admin = guest.site.administrator()
        admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["editor"]})
        assert "Roles editor" in text_of(guest.get("/account"))
        del guest.cookies[token]
        answer = guest.post("/account/password", current=live.PASSWORD, new=live.OTHER)
        assert place(answer) == "/account"
        assert notice(guest.get("/account")) == "Your password was changed."
        del guest.cookies[token]
        former = dict(guest.cookies)
        assert place(guest.post("/logout")) == "/login"
        assert notice(guest.get("/login")).startswith("You are signed out. Other services may")
        guest.cookies = former
        assert place(guest.get("/account")) == "/login"


def test_a_hybrid_signs_out_by_its_token_too(tmp_path: Path) -> None:
    """Where the refresh cookie is gone, the token still names the session that has to end."""
    with arranged(tmp_path / "data", pages_client="spa") as guest:
        guest.sign_in(guest.site.person())
        former = Guest(guest.site, dict(guest.cookies))
        del guest.cookies["__Host-cf_spa_r"]
        assert place(guest.post("/logout")) == "/login"
        assert notice(guest.get("/login")).startswith("You are signed out. Other services may")
        assert place(former.get("/account")) == "/login"


def _is_expired(guest: Guest, token: str) -> bool:
    headers = {"Cookie": f"{token}={guest.cookies[token]}"}
    return guest.site.call("GET", "/v1/session", headers=headers).code == "credential_expired"


def test_a_renewed_cookie_goes_out_with_a_refusal_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handle is spent, so a browser that is told of an outage must still get the next one."""
    with arranged(tmp_path / "data", pages_client="spa") as guest:
        guest.sign_in(guest.site.person())
        del guest.cookies["__Host-cf_spa"]
        former = dict(guest.cookies)

        async def fail(*_: object) -> None:
            raise StoreUnavailable

        monkeypatch.setattr("counterfoil.server.accounts.Accounts.account", fail)
        assert guest.get("/account").status == 503
        assert guest.cookies["__Host-cf_spa_r"] != former["__Host-cf_spa_r"]


def test_without_a_client_the_pages_say_which_command_to_run(tmp_path: Path) -> None:
    """503, as it passes once the client is there; also for one that keeps no cookie or may not
    manage."""
    with arranged(tmp_path / "data", pages_client="front") as guest:
        for answer in (guest.get("/login"), guest.post("/login"), guest.get("/account")):
            assert (answer.status, answer.header("retry-after")) == (503, "60")
            command = "counterfoil clients add front --strategy session --manage"
            assert command in text_of(answer)
        assert guest.site.server is not None
        rows = ClientRows(
            guest.site.server.store.blocking().rows, guest.site.server.settings.lifetime
        )
        front = Client(client_id="front", strategy="session", carrier="cookie", manage=True)
        assert drive(rows.add(front, at=datetime.now(UTC), own_lifetime=False))
        live.until(lambda: guest.get("/login").status == 200)


@pytest.mark.parametrize("client_id", ["api", "brief-web"])
def test_a_client_that_is_not_fit_is_told(tmp_path: Path, client_id: str) -> None:
    """A bearer client has no cookie, and one that may not manage no devices to show."""
    with arranged(tmp_path / "data", pages_client=client_id) as guest:
        answer = guest.get("/login")
        assert answer.status == 503
        assert "COUNTERFOIL_PAGES_CLIENT=pages" in text_of(answer)


def test_without_a_name_there_are_no_pages(tmp_path: Path) -> None:
    """404 as for every address where nothing is; and the index for browsers too."""
    with arranged(tmp_path / "data", pages_client="") as guest:
        for path in ("/login", "/register", "/account", "/counterfoil/static/pages.css"):
            assert guest.site.call("GET", path).code == "not_found"
        answer = guest.get("/", {"Accept": "text/html"})
        assert answer.json["name"] == "Counterfoil"


def test_a_name_that_no_client_can_have_is_a_wrong_setting() -> None:
    """Told at the start."""
    with pytest.raises(Exception, match="pages_client"):
        load({"pages_client": "No Client"}, environment={})


def test_pages_under_a_path_lead_there(tmp_path: Path) -> None:
    """A proxy takes the issuer's path away; every address that goes out has it."""
    with arranged(tmp_path / "data", issuer="http://localhost:1/auth") as guest:
        text = guest.get("/login").raw.decode()
        assert 'action="/auth/login"' in text
        assert 'href="/auth/register"' in text
        assert 'href="/auth/counterfoil/static/' in text
        assert place(guest.get("/", {"Accept": "text/html"})) == "/auth/account"
        assert place(guest.get("/account")) == "/auth/login"
        person = guest.site.person()
        assert place(guest.sign_in(person)) == "/auth/account"
        assert place(guest.sign_in(person, "/login?next=/orders")) == "/orders"
        assert place(guest.post("/logout")) == "/auth/login"


def test_failures_count_under_the_address_that_a_trusted_proxy_tells(tmp_path: Path) -> None:
    """The same count for pages and calls: too many there are too many here, for that address."""
    with arranged(tmp_path / "data", trusted_proxies=("127.0.0.1",)) as guest:
        assert guest.site.server is not None
        row = (address_key("203.0.113.9"), 320, stamp(datetime.now(UTC)))

        async def add(transaction: Transaction) -> None:
            sql = "INSERT INTO attempts (key, failures, last_at) VALUES (?, ?, ?)"
            await transaction.run(sql, row)

        drive(guest.site.server.store.blocking().rows.transaction(add))
        person = guest.site.person()
        for hops, status in (("203.0.113.9", 429), ("203.0.113.9, 203.0.113.8", 303)):
            sent = {"identifier": person.identifier, "password": person.password}
            assert guest.post("/login", {"X-Forwarded-For": hops}, **sent).status == status


def test_an_outage_is_a_page(tmp_path: Path) -> None:
    """503 with Retry-After for every page that must read; nobody is signed out by it, and a
    sign-out that was not done is not called done."""
    with arranged(tmp_path / "data") as guest:
        person = guest.site.person()
        guest.sign_in(person)
        before = dict(guest.cookies)
        assert Guest(guest.site).get("/login").status == 200
        assert guest.site.server is not None
        guest.site.server.store.rows.database.close()
        answers = [
            guest.get("/account"),
            guest.get("/login"),
            guest.post("/account/sessions/end-others"),
            guest.post("/account/sessions/x/end"),
            guest.post("/account/password", current=live.PASSWORD, new=live.OTHER),
        ]
        for answer in answers:
            assert (answer.status, answer.header("retry-after")) == (503, "1")
            assert "The server cannot read its records right now" in text_of(answer)
            assert answer.set_cookies() == []
        out = guest.post("/logout")
        assert (out.status, out.set_cookies()) == (503, [])
        assert "You are not signed out yet." in text_of(out)
        assert guest.cookies == before
        late = Guest(guest.site)
        assert late.get("/login").status == 200
        for path in ("/login", "/register"):
            answer = late.sign_in(person, path)
            assert (answer.status, answer.header("retry-after")) == (503, "1")
            assert "cannot read its records" in summary(answer)
            assert person.identifier.encode() in answer.raw


def test_a_full_queue_is_told_with_the_wait(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 in the form, for sign-in, registration and the password."""
    person, inside = guest.site.person(), Guest(guest.site)
    inside.sign_in(person)

    async def full(*_: object) -> None:
        await asyncio.sleep(0)
        raise Overloaded(retry_after=5 * live.SECOND)

    monkeypatch.setattr("counterfoil.server.passwords.hashing.PasswordHasher.verify", full)
    monkeypatch.setattr("counterfoil.server.passwords.hashing.PasswordHasher.hash", full)
    for answer in (
        guest.sign_in(person),
        guest.sign_in(person, "/register"),
        inside.post("/account/password", current=live.PASSWORD, new=live.OTHER),
    ):
        assert (answer.status, answer.header("retry-after")) == (503, "5")
        assert summary(answer) == "The server is busy. Try again in 5 seconds."


def test_what_was_done_before_an_outage_is_told(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account that was added, the password that was changed: nobody is told to do it again."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable

    person, inside = guest.site.person(), Guest(guest.site)
    inside.sign_in(person)
    monkeypatch.setattr("counterfoil.engine.Counterfoil.step_up", fail)
    answer = inside.post("/account/password", current=live.PASSWORD, new=live.OTHER)
    assert answer.status == 503
    assert "The password was changed." in text_of(answer)
    monkeypatch.setattr("counterfoil.engine.Counterfoil.open", fail)
    monkeypatch.setattr("counterfoil.server.operations.observed.ObservedCounterfoil.open", fail)
    answer = guest.post("/register", identifier=f"new-{person.identifier}", password=live.PASSWORD)
    assert answer.status == 503
    assert "Your account is registered, but you are not signed in yet." in summary(answer)
    assert b'action="/login"' in answer.raw


def test_what_may_have_been_done_before_an_outage_is_told(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account that is there already, and the devices that the new password did not end."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable

    person, inside = guest.site.person(), Guest(guest.site)
    inside.sign_in(person)
    device = person.sign_in("phone")
    monkeypatch.setattr(
        "counterfoil.server.operations.observed.ObservedCounterfoil.revoke_all", fail
    )
    answer = inside.post("/account/password", current=live.PASSWORD, new=live.OTHER)
    assert answer.status == 503
    assert "Other devices may still be signed in." in text_of(answer)
    assert device.who().status == 200
    monkeypatch.setattr("counterfoil.server.accounts.Accounts._note", fail)
    identifier = f"new-{person.identifier}"
    answer = guest.post("/register", identifier=identifier, password=live.PASSWORD)
    assert answer.status == 503
    assert "Your account may be registered already, or not." in summary(answer)
    monkeypatch.undo()
    assert place(guest.post("/login", identifier=identifier, password=live.PASSWORD)) == "/account"


def test_a_changed_password_is_told_to_whoever_was_signed_out_meanwhile(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former one is no longer right, so nobody may be left to guess why."""

    async def ended(*_: object, **__: object) -> None:
        raise SessionRevoked

    person = guest.site.person()
    guest.sign_in(person)
    monkeypatch.setattr("counterfoil.engine.Counterfoil.step_up", ended)
    answer = guest.post("/account/password", current=live.PASSWORD, new=live.OTHER)
    assert place(answer) == "/login"
    del guest.cookies["__Host-cf_web"]
    assert notice(guest.get("/login")) == "Your password was changed."
