from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from examples.running import example
from live import OTHER, WRONG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.running import Example
    from live import Person

ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Example, list[str]]]:
    """The example, after the commands that it prints: ann is there, and the administrator."""
    with example("notes", tmp_path_factory.mktemp("notes")) as running:
        yield running, running.type_in()


@pytest.fixture(scope="module")
def notes(printed: tuple[Example, list[str]]) -> Example:
    return printed[0]


@pytest.fixture
def ann(notes: Example) -> Person:
    from live import Person

    return Person(notes, "ann", "nine otters juggle", "")


def test_the_printed_commands_do_what_they_say(printed: tuple[Example, list[str]]) -> None:
    """Typed in, they register, sign in, write, read, are refused, change roles, and sign out."""
    answers = [json.loads(line) for line in printed[1]]
    ann, bob, _, _, written, mine, his, refused, changed, who, devices, ended, after = answers
    assert ann["subject"] != bob["subject"]
    assert mine == [written]
    assert his["code"] == "not_found"
    assert refused["code"] == "forbidden"
    assert changed["sessions"] == 1
    assert who["claims"] == {"roles": ["editor"]}
    assert [device["current"] for device in devices["sessions"]] == [True]
    assert devices["sessions"][0]["device"].startswith("curl/")
    assert ended["revoked"] == 1
    assert after["code"] == "session_revoked"


def test_what_it_keeps_is_private(notes: Example) -> None:
    """Its folder, database and keys are for its owner alone."""
    found = [notes.data, notes.data / "notes.db", *(notes.data / "keys").iterdir()]
    assert {path.stat().st_mode & 0o077 for path in found} == {0}


def test_a_note_of_somebody_else_is_not_found(notes: Example) -> None:
    """The owner reads a note; to another person it is as if it were not there."""
    owner, other = notes.person().sign_in("notes"), notes.person().sign_in("notes")
    note = owner.call("POST", "/notes", {"text": "mine"}).json
    assert owner.call("GET", f"/notes/{note['id']}").json == note
    assert other.call("GET", f"/notes/{note['id']}").code == "not_found"
    assert other.call("GET", "/notes").json == []


def test_a_copied_cookie_is_worth_nothing_after_sign_out(notes: Example) -> None:
    """Signing out ends the session: whoever kept its cookie is refused."""
    device = notes.person().sign_in("notes")
    copy = device.headers()
    assert notes.call("GET", "/notes", headers=copy).status == 200
    assert device.sign_out().json["revoked"] == 1
    assert notes.call("GET", "/notes", headers=copy).code == "session_revoked"
    assert notes.call("GET", "/notes").code == "credential_missing"


def test_another_site_writes_nothing(notes: Example) -> None:
    """What another site makes a browser write, register or sign in is refused, and not done."""
    person = notes.person()
    device = person.sign_in("notes")
    assert device.call("POST", "/notes", {"text": "spam"}, ELSEWHERE).code == "cross_site"
    assert device.call("DELETE", "/v1/session", headers=ELSEWHERE).code == "cross_site"
    assert device.call("GET", "/notes").json == []
    sent = {"identifier": person.identifier, "password": person.password}
    assert notes.call("POST", "/v1/sessions", sent, ELSEWHERE).code == "cross_site"
    made = {**sent, "identifier": "made elsewhere"}
    assert notes.call("POST", "/v1/accounts", made, ELSEWHERE).code == "cross_site"
    assert notes.call("POST", "/v1/accounts", made).status == 201


def test_a_new_role_reaches_a_signed_in_person(notes: Example, ann: Person) -> None:
    """Who is given a role uses it with the session that there is; who loses it stops at once."""
    person, administrator = notes.person(), ann.sign_in("notes")
    device = person.sign_in("notes")
    mine, theirs = f"/people/{person.identifier}/roles", "/people/bob/roles"
    assert device.call("PUT", theirs, ["editor"]).code == "forbidden"
    for roles, code in ((["admin"], ""), ([], "forbidden")):
        changed = administrator.call("PUT", mine, roles)
        assert changed.json == {"sessions": 1, "effective_within_seconds": 0}
        assert device.call("PUT", theirs, ["editor"]).code == code
        assert device.who().json["claims"] == {"roles": roles}
    assert administrator.call("PUT", "/people/nobody/roles", []).code == "not_found"


def test_a_new_password_ends_the_other_sessions(notes: Example) -> None:
    """Where it was changed goes on; other devices, and the old password, are refused. With a token
    for reports out, the answer names the time within which its verifiers hear of it."""
    person = notes.person()
    here, there, _ = (person.sign_in(client) for client in ("notes", "notes", "reports"))
    wrong = {"current": WRONG, "new": OTHER}
    assert here.call("POST", "/account/password", wrong).code == "sign_in_refused"
    assert there.call("GET", "/notes").status == 200
    changed = here.call("POST", "/account/password", {"current": person.password, "new": OTHER})
    assert changed.json["signed_out"] == 2
    assert changed.json["effective_within_seconds"] == 10
    assert here.call("GET", "/notes").status == 200
    assert there.call("GET", "/notes").code == "session_revoked"
    assert person.try_sign_in("notes").code == "sign_in_refused"
    assert person.try_sign_in("notes", OTHER).status == 201


def test_a_token_for_reports_is_none_for_notes(notes: Example) -> None:
    """The second service cannot use the tokens it is shown, neither for notes nor for sessions."""
    device = notes.person().sign_in("reports")
    assert device.who().json["audience"] == "reports"
    assert device.call("GET", "/notes").code == "wrong_audience"
    assert device.call("GET", "/v1/sessions").code == "forbidden"


def test_nobody_learns_who_has_an_account(notes: Example) -> None:
    """A wrong password and an unknown name are refused in the same words."""
    person = notes.person()
    known = person.try_sign_in("notes", WRONG)
    sent = {"identifier": "nobody", "password": WRONG}
    assert known.code == "sign_in_refused"
    assert notes.call("POST", "/v1/sessions", sent).json == known.json


def test_what_cannot_be_registered_is_refused(notes: Example, ann: Person) -> None:
    """A name that is taken, and a password that is short."""
    sent = {"identifier": ann.identifier, "password": OTHER}
    assert notes.call("POST", "/v1/accounts", sent).code == "identifier_taken"
    sent = {"identifier": "carol", "password": "too short"}
    assert notes.call("POST", "/v1/accounts", sent).code == "password_refused"
