"""What an administrator changes, and how soon each kind of credential feels it."""

from __future__ import annotations

import time

import pytest

import live


def change(admin: live.Device, person: live.Person, **what: object) -> live.Answer:
    answer = admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", what)
    assert answer.status == 200, answer
    return answer


def roles(device: live.Device) -> list[str]:
    found: list[str] = device.who().json["claims"]["roles"]
    return found


def test_new_roles_make_the_old_token_stale_and_a_refresh_brings_them(
    site: live.Site, admin: live.Device
) -> None:
    """`api`: claims_stale at once, new roles after a refresh; the old token stays refused."""
    person = site.person()
    device = person.sign_in("api")
    old = device.headers()
    answer = change(admin, person, roles=["editor"])
    assert answer.json["roles"] == ["editor"]
    assert answer.json["effective_within_seconds"] == 10
    stale = device.who()
    assert (stale.status, stale.code) == (401, "claims_stale")
    assert device.refresh().status == 200
    assert roles(device) == ["editor"]
    assert site.call("GET", "/v1/session", headers=old).code == "claims_stale"


def test_new_roles_reach_a_session_at_its_next_check_with_a_new_handle(
    site: live.Site, admin: live.Device
) -> None:
    """`web` shows the new roles at once, and its handle is replaced: privileges changed."""
    person = site.person()
    device = person.sign_in("web")
    before = device.secrets
    change(admin, person, roles=["editor"])
    assert roles(device) == ["editor"]
    assert device.secrets != before
    assert roles(device) == ["editor"]


def test_new_roles_reach_a_plain_token_with_its_refresh(
    site: live.Site, admin: live.Device
) -> None:
    """`partner` goes on with the old roles, for as long as the answer says, until it refreshes."""
    person = site.person()
    device = person.sign_in("partner")
    answer = change(admin, person, roles=["editor"])
    assert 265 <= answer.json["effective_within_seconds"] <= 300
    assert roles(device) == []
    device.refresh()
    assert roles(device) == ["editor"]


def test_what_needs_a_role_asks_the_record_not_the_token(
    site: live.Site, admin: live.Device
) -> None:
    """A token issued to an administrator no longer administers once the role is gone."""
    person = site.person()
    change(admin, person, roles=["admin"])
    devices = [person.sign_in(client_id) for client_id in ("web", "api", "kiosk")]
    assert [each.call("GET", "/v1/admin/keys").status for each in devices] == [200] * 3
    change(admin, person, roles=[])
    codes = [each.call("GET", "/v1/admin/keys").code for each in devices]
    assert codes == ["forbidden", "claims_stale", "forbidden"]


@pytest.mark.parametrize("client_id", ["web", "api", "phone", "spa"])
def test_suspension_is_felt_at_the_next_check(
    site: live.Site, admin: live.Device, client_id: str
) -> None:
    """Suspended, `session` and `hybrid` are refused at once; reinstated, they go on."""
    device = site.person().sign_in(client_id)
    change(admin, device.person, state="suspended")
    assert (device.who().status, device.who().code) == (403, "subject_suspended")
    assert device.refresh().code == "subject_suspended"
    change(admin, device.person, state="active")
    assert device.who().status == 200
    assert device.refresh().status == 200


def test_suspension_stops_a_plain_token_at_its_end_and_at_its_refresh(
    site: live.Site, admin: live.Device
) -> None:
    """`jwt`: a refresh is refused at once, and the token dies when the answer said."""
    device = site.person().sign_in("hasty")
    answer = change(admin, device.person, state="suspended")
    assert device.refresh().code == "subject_suspended"
    promised = answer.json["effective_within_seconds"]
    assert promised <= 2
    time.sleep(promised)
    assert device.who().code == "credential_expired"
    assert device.refresh().code == "subject_suspended"


def test_suspension_is_told_only_to_who_knows_the_password(
    site: live.Site, admin: live.Device
) -> None:
    """The right password hears subject_suspended, a wrong one what it always hears."""
    person = site.person()
    change(admin, person, state="suspended")
    assert person.try_sign_in().code == "subject_suspended"
    assert person.try_sign_in(password=live.WRONG).code == "sign_in_refused"


@pytest.mark.parametrize("client_id", ["web", "api", "partner", "spa"])
def test_to_be_reinstated_brings_nothing_back_that_was_revoked(
    site: live.Site, admin: live.Device, client_id: str
) -> None:
    """Revoked before, or while suspended: it stays revoked; the stale stays stale."""
    person = site.person()
    before, during, kept = (person.sign_in(client_id) for _ in range(3))
    admin.call("DELETE", f"/v1/admin/sessions/{before.session_id}")
    change(admin, person, state="suspended")
    assert during.sign_out().json["revoked"] == 1
    change(admin, person, state="active")
    if client_id != "partner":
        assert before.who().code == "session_revoked"
    assert before.refresh().code == "session_revoked"
    listed = admin.call("GET", f"/v1/admin/sessions?subject={person.subject}").json["sessions"]
    assert [each["id"] for each in listed] == [kept.session_id]
    assert kept.who().status == 200


def test_a_stale_token_stays_stale_through_suspension(site: live.Site, admin: live.Device) -> None:
    """Status is computed from the record, so lifting one refusal lifts no other."""
    device = site.person().sign_in("api")
    change(admin, device.person, roles=["editor"])
    change(admin, device.person, state="suspended")
    assert device.who().code == "subject_suspended"
    change(admin, device.person, state="active")
    assert device.who().code == "claims_stale"
