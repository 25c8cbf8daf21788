"""People found, ended, suspended, and given other roles; and what is grave wants the password."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import live
from console.administering import Desk, events
from counterfoil.errors import StoreUnavailable
from counterfoil.server.accounts import Accounts
from counterfoil.server.tables.accounts import Account, AccountRows
from counterfoil.stores.migrations import migrate
from counterfoil.stores.sqlite import SqliteStore
from pages.visiting import Guest, notice, place, summary, text_of, wrong_fields

if TYPE_CHECKING:
    from pathlib import Path


async def test_people_are_found_by_an_index_whatever_their_number(tmp_path: Path) -> None:
    """Pages in the order of identifiers, none read that is not shown."""
    store = SqliteStore(tmp_path / "app.db")
    await migrate(store.rows)
    await migrate(store.rows, component="server", package="counterfoil.server.tables.migrations")
    rows = AccountRows(store.rows)
    for number in range(25):
        name = f"Ann-{number:02}@example.org" if number % 2 else f"bob-{number:02}"
        now = datetime.now(UTC)
        await rows.add(
            Account(
                subject=f"s{number}",
                identifier=name,
                canonical=name.lower(),
                password="",
                created_at=now,
            )
        )
    first = await rows.search("ann-", after=None, limit=5)
    assert [each.subject for each in first] == ["s1", "s3", "s5", "s7", "s9"]
    second = await rows.search("ann-", after=first[-1].canonical, limit=50)
    assert [each.subject for each in second] == [f"s{n}" for n in range(11, 25, 2)]
    assert [each.subject for each in await rows.search("ann-03@", after=None, limit=5)] == ["s3"]
    assert await rows.search("zoe", after=None, limit=5) == []
    assert len(await rows.search("", after=None, limit=50)) == 25
    plan = await store.rows.all(
        "EXPLAIN QUERY PLAN SELECT subject FROM accounts WHERE canonical >= ? AND canonical < ?"
        " ORDER BY canonical LIMIT ?",
        ("a", "b", 5),
    )
    assert "USING INDEX" in plan[0][3]
    assert await rows.identifiers(["s1", "s2", "nobody"]) == {
        "s1": "Ann-01@example.org",
        "s2": "bob-02",
    }
    assert await rows.identifiers([]) == {}
    await store.close()


def test_a_person_is_found_by_how_the_identifier_begins(desk: Desk) -> None:
    """In whatever case; what cannot be an identifier is said to be none."""
    person = desk.site.person()
    found = desk.get(f"/admin/people?name={person.identifier[:12].upper()}")
    assert f"/admin/people/{person.subject}" in found.raw.decode()
    assert "Nobody's identifier begins so." in text_of(desk.get("/admin/people?name=zzzz"))
    assert "No identifier is written so" in text_of(desk.get("/admin/people?name=a%20b"))


def test_a_person_shows_sessions_and_trail(desk: Desk) -> None:
    """What is signed in, and what happened."""
    person = desk.site.person()
    person.sign_in("web")
    text = text_of(desk.get(f"/admin/people/{person.subject}"))
    assert person.identifier in text
    assert "Client web, session" in text
    assert "Account registered" in text


def test_all_sessions_of_a_person_are_ended(desk: Desk) -> None:
    """And the page says what that comes to, with the longest bound of them."""
    person = desk.site.person()
    devices = [person.sign_in(client_id) for client_id in ("web", "api", "phone")]
    assert place(desk.post(f"/admin/people/{person.subject}/end-sessions")) == "/admin/ended"
    assert {device.who().code for device in devices} == {"session_revoked"}
    text = text_of(desk.get("/admin/ended"))
    assert "3 sessions were ended." in text
    assert f"all sessions of {person.identifier}" in text


def test_ending_all_of_ones_own_signs_out(desk: Desk) -> None:
    """In this browser too."""
    path = f"/admin/people/{desk.person.subject}/end-sessions"
    assert place(desk.post(path)) == "/login"
    assert place(desk.get("/admin")).startswith("/login")


def test_suspending_and_reinstating(desk: Desk) -> None:
    """Said before, done after, and in the trail with who did it."""
    person = desk.site.person()
    device = person.sign_in("web")
    path = f"/admin/people/{person.subject}"
    assert "They cannot sign in." in text_of(desk.get(f"{path}/suspend"))
    assert place(desk.confirmed(f"{path}/suspend")) == path
    assert device.who().code == "subject_suspended"
    page = desk.get(path)
    assert notice(page) == "The account is suspended."
    assert "State suspended" in text_of(page)
    assert "suspended" in text_of(desk.get(f"/admin/people?name={person.identifier}"))
    assert place(desk.confirmed(f"{path}/reinstate")) == path
    assert device.who().status == 200
    assert notice(desk.get(path)).startswith("The account is reinstated.")
    done = [each for each in events(desk.site, subject=person.subject) if "by" in each["detail"]]
    assert [each["kind"] for each in done] == ["subject_reinstated", "subject_suspended"]
    assert {each["detail"]["by"] for each in done} == {desk.person.subject}


def test_nobody_suspends_themselves(desk: Desk) -> None:
    """Nor is the form shown."""
    path = f"/admin/people/{desk.person.subject}/suspend"
    for answer in (desk.get(path), desk.confirmed(path)):
        assert answer.status == 400
        assert "this one is yours" in text_of(answer)


def test_roles_are_set(desk: Desk) -> None:
    """With spaces or commas between them; a wrong one is refused, and what was typed stays."""
    person = desk.site.person()
    path = f"/admin/people/{person.subject}"
    assert place(desk.confirmed(f"{path}/roles", roles="editor, admin")) == path
    assert person.sign_in("web").who().json["claims"]["roles"] == ["editor", "admin"]
    assert notice(desk.get(path)).startswith("The roles were changed.")
    refused = desk.confirmed(f"{path}/roles", roles="edi<tor")
    assert refused.status == 400
    assert wrong_fields(refused) == ["roles"]
    assert 'value="edi&lt;tor"' in refused.raw.decode()
    assert place(desk.confirmed(f"{path}/roles", roles="")) == path
    assert person.sign_in("web").who().json["claims"]["roles"] == []
    assert "without admin this page is closed" in text_of(
        desk.get(f"/admin/people/{desk.person.subject}/roles")
    )


def test_nothing_grave_is_done_without_the_password(desk: Desk) -> None:
    """Left out, empty or wrong: the form again, with what is wrong, and nothing has changed."""
    person = desk.site.person()
    path = f"/admin/people/{person.subject}/roles"
    assert desk.post(path, roles="admin").status == 400
    empty = desk.post(path, roles="admin", password="")
    assert (empty.status, wrong_fields(empty)) == (400, ["password"])
    wrong = desk.post(path, roles="admin", password=live.WRONG)
    assert (wrong.status, wrong_fields(wrong)) == (401, ["password"])
    assert "The password is not right. Nothing was changed." in summary(wrong)
    assert live.WRONG not in wrong.raw.decode()
    assert desk.site.call("GET", "/livez").status == 200
    assert person.sign_in("web").who().json["claims"]["roles"] == []
    desk.confirmed(path, roles="editor")


def test_an_outage_in_the_middle_is_not_called_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may have been done is said to be so; the new handle reaches the browser all the same."""

    async def lost(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(Accounts, "set_roles", lost)
    path = f"/admin/people/{desk.site.person().subject}"
    answer = desk.confirmed(f"{path}/roles", roles="editor")
    assert answer.status == 503
    assert "It may have been done, or not" in text_of(answer)
    assert f'href="{path}"' in answer.raw.decode()
    assert desk.get("/admin").status == 200


def test_guesses_of_the_password_are_slowed(desk: Desk) -> None:
    """For this session alone: after a few the next has to wait."""
    path = f"/admin/people/{desk.site.person().subject}/suspend"
    statuses = [desk.post(path, password=live.WRONG).status for _ in range(8)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert desk.get("/admin").status == 200


def test_with_the_password_the_session_gets_a_new_handle(desk: Desk) -> None:
    """Whoever else knew the former cannot go on with it (S1)."""
    before = Guest(desk.site, dict(desk.cookies))
    desk.confirmed(f"/admin/people/{desk.site.person().subject}/roles", roles="")
    assert before.cookies != desk.cookies
    assert desk.get("/admin").status == 200
    kinds = [each["kind"] for each in events(desk.site, subject=desk.person.subject)]
    assert kinds[0] == "session_stepped_up"


@pytest.mark.parametrize("path", ["", "/roles", "/suspend", "/reinstate"])
def test_who_is_not_there_is_not_found(desk: Desk, path: str) -> None:
    """404 in words."""
    answer = desk.get(f"/admin/people/nobody{path}")
    assert answer.status == 404
    assert "There is no account of this subject" in text_of(answer)


def test_markup_in_a_name_is_text(desk: Desk) -> None:
    """An identifier, a device, a search."""
    name = f"<b>{datetime.now(UTC).timestamp()}</b>"
    desk.site.call("POST", "/v1/accounts", {"identifier": name, "password": live.PASSWORD})
    desk.site.call(
        "POST",
        "/v1/sessions",
        {"client_id": "api", "identifier": name, "password": live.PASSWORD},
        {"User-Agent": "<script>alert(1)</script>/1"},
    )
    for path in ("/admin/people?name=%3Cb%3E", "/admin/sessions?device=%3Cscript"):
        text = desk.get(path).raw.decode()
        assert not re.search(r"<b>|<script(?! src=)", text)


def test_the_span_of_a_bound_is_told(desk: Desk) -> None:
    """Where the person has tokens that others may accept for a while."""
    person = desk.site.person()
    person.sign_in("api")
    path = f"/admin/people/{person.subject}"
    desk.confirmed(f"{path}/suspend")
    assert "for up to 10 seconds if they check with Counterfoil" in notice(desk.get(path))
