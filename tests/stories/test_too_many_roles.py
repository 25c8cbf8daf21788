"""Somebody is given more roles than a token can carry, and some are taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.visiting import Guest, text_of
from programs import program
from stories.test_roles_and_suspension import change, roles

if TYPE_CHECKING:
    import live

FEW = ["reader"]
MANY = [f"{number:064}" for number in range(64)]  # more than any credential carries
COOKIE_FULL = MANY[:50]


def test_a_sign_in_says_so_and_costs_nothing(site: live.Site, admin: live.Device) -> None:
    """409 `claims_too_large` at sign-in and refresh, by whichever way; the handle stays good."""
    person = site.person()
    device, former = person.sign_in("api"), person.sign_in("partner")
    change(admin, person, roles=MANY)
    for client_id in ("web", "api", "partner"):
        answer = person.try_sign_in(client_id)
        assert (answer.status, answer.code) == (409, "claims_too_large")
        assert "fewer or shorter roles" in answer.json["next_step"]
        assert answer.set_cookies() == []
    for each in (device, former):
        assert each.refresh().code == "claims_too_large"
    change(admin, person, roles=FEW)
    for each in (device, former):
        assert each.refresh().status == 200
        assert roles(each) == FEW


def test_a_program_that_refreshes_keeps_its_token(site: live.Site, admin: live.Device) -> None:
    """OAuth's word is none that has it thrown away (RFC 6749 §5.2)."""
    person = site.person()
    device = person.sign_in("api")
    handle = device.secrets[-1]
    partner = program(site)
    change(admin, person, roles=MANY)
    answer = partner.refresh(handle)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert answer.json["code"] == "claims_too_large"
    change(admin, person, roles=FEW)
    assert partner.refresh(handle).status == 200


def test_the_page_says_whom_to_ask(site: live.Site, admin: live.Device) -> None:
    """The form once more, and no session."""
    person = site.person()
    change(admin, person, roles=MANY)
    guest = Guest(site)
    answer = guest.sign_in(person)
    assert answer.status == 409
    assert "more roles than can be carried. Ask an administrator" in text_of(answer)
    assert guest.cookies == {}


def test_a_header_carries_what_a_cookie_does_not(site: live.Site, admin: live.Device) -> None:
    """Which client it is about stands in the refusal; the record itself carries as much."""
    person = site.person()
    change(admin, person, roles=COOKIE_FULL)
    answer = person.try_sign_in("spa")
    assert (answer.status, answer.code) == (409, "claims_too_large")
    assert "spa travels in a cookie" in answer.json["detail"]
    for client_id in ("web", "api"):
        assert roles(person.sign_in(client_id)) == COOKIE_FULL
