"""Registering by a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import live
from pages.visiting import Guest, notice, place, somebody, summary, text_of, wrong_fields

if TYPE_CHECKING:
    from pathlib import Path


def test_registering_signs_in(guest: Guest) -> None:
    """303 to where one came from, and the account says welcome once."""
    identifier = somebody()
    answer = guest.post("/register?next=/account", identifier=identifier, password=live.PASSWORD)
    assert place(answer) == "/account"
    page = guest.get("/account")
    assert notice(page) == "Your account is registered, and you are signed in."
    assert identifier in text_of(page)
    assert notice(guest.get("/account")) == ""


@pytest.mark.parametrize(
    ("identifier", "password", "status", "wrong"),
    [
        ("ann", "short", 422, "password"),
        ("ann", "qwertyuiop123456", 422, "password"),
        ("ann", "x" * 300, 422, "password"),
        ("ann at home", live.PASSWORD, 400, "identifier"),
        ("x" * 256, live.PASSWORD, 400, "identifier"),
        ("DEMO", live.PASSWORD, 409, "identifier"),
        ("ann", "", 400, "password"),
    ],
)
def test_what_cannot_be_registered_is_told_in_the_form(
    guest: Guest, identifier: str, password: str, status: int, wrong: str
) -> None:
    """Status, field and reason; the identifier stays, the password does not."""
    answer = guest.post("/register", identifier=identifier, password=password)
    assert (answer.status, wrong_fields(answer)) == (status, [wrong])
    assert summary(answer)
    assert f'value="{identifier}"'.encode() in answer.raw
    assert not password or f'"{password}"'.encode() not in answer.raw
    assert guest.cookies == {}


def test_the_policy_says_why(guest: Guest) -> None:
    """Its own sentences, in the summary."""
    answer = guest.post("/register", identifier=somebody(), password="short")
    assert "shorter than 15 characters" in summary(answer)


def test_closed_registration_is_a_page_and_no_link(tmp_path: Path) -> None:
    """403 for both methods, before anything that was sent is looked at."""
    with live.serving(tmp_path / "data", registration="closed") as site:
        guest = Guest(site)
        for answer in (guest.get("/register"), guest.post("/register", identifier="a")):
            assert answer.status == 403
            assert "Ask an administrator for an account." in text_of(answer)
        assert b"/register" not in guest.get("/login").raw
