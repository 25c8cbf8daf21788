"""What an administrator sees and does over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import live

if TYPE_CHECKING:
    from pathlib import Path

CALLS = [
    ("GET", "/v1/admin/accounts", None),
    ("PATCH", "/v1/admin/accounts/{subject}", {"state": "suspended"}),
    ("GET", "/v1/admin/sessions", None),
    ("DELETE", "/v1/admin/sessions/{session}", None),
    ("DELETE", "/v1/admin/sessions?subject={subject}", None),
    ("DELETE", "/v1/admin/sessions?client_id=api", None),
    ("GET", "/v1/admin/keys", None),
    ("POST", "/v1/admin/keys/rotate", {"algorithm": "ES256"}),
    ("POST", "/v1/admin/keys/x/distrust", None),
    ("GET", "/v1/admin/clients", None),
    ("GET", "/v1/admin/events", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_every_admin_call_needs_the_role(
    site: live.Site, method: str, path: str, body: object
) -> None:
    """Without the role 403 whatever is asked for, without a credential 401; nothing happened."""
    device, other = site.person().sign_in("api"), site.person().sign_in("web")
    path = path.format(subject=other.person.subject, session=other.session_id)
    assert device.call(method, path, body).code == "forbidden"
    assert site.call(method, path, body).code == "credential_missing"
    assert [device.who().status, other.who().status] == [200, 200]


def test_accounts_are_paged_oldest_first(tmp_path: Path) -> None:
    """Following `next` shows every account once, and ends."""
    with live.serving(tmp_path / "data") as site:
        people = [site.person() for _ in range(5)]
        admin = site.administrator()
        seen: list[str] = []
        after = ""
        while True:
            page = admin.call("GET", f"/v1/admin/accounts?limit=2{after}").json
            seen += [each["subject"] for each in page["accounts"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen[1:] == [each.subject for each in people]
        assert admin.call("GET", "/v1/admin/accounts?after=nobody").json["accounts"] == []


def test_sessions_are_listed_and_ended_by_subject_and_by_client(tmp_path: Path) -> None:
    """One, those of a subject, those of a client; the ended show why when asked for."""
    with live.serving(tmp_path / "data") as site:
        admin, one, other = site.administrator(), site.person(), site.person()
        devices = [
            person.sign_in(client_id)
            for person in (one, other)
            for client_id in ("web", "spa", "spa", "phone")
        ]
        answer = admin.call("DELETE", f"/v1/admin/sessions/{devices[0].session_id}")
        assert answer.json["revoked"] == 1
        path = f"/v1/admin/sessions?subject={one.subject}"
        assert len(admin.call("GET", path).json["sessions"]) == 3
        assert admin.call("DELETE", path).json["revoked"] == 3
        assert admin.call("DELETE", path).json["revoked"] == 0
        path = "/v1/admin/sessions?client_id=spa"
        assert len(admin.call("GET", path).json["sessions"]) == 2
        assert admin.call("DELETE", path).json["revoked"] == 2
        codes = [each.who().code for each in devices]
        assert codes == ["session_revoked"] * 4 + ["", *["session_revoked"] * 2, ""]
        path = f"/v1/admin/sessions?subject={one.subject}&live=false"
        listed = admin.call("GET", path).json["sessions"]
        assert {each["ended_because"] for each in listed} == {"revoked_by_administrator"}
        assert all(each["ended_at"] for each in listed)


def test_an_administrator_in_a_browser_can_do_the_same(site: live.Site) -> None:
    """By cookie: the client_id of an admin call names whose sessions, not whose cookie."""
    assert site.demo_password is not None
    browser = live.Person(site, "demo", site.demo_password, "").sign_in("web")
    device = site.person().sign_in("other")
    listed = browser.call("GET", "/v1/admin/sessions?client_id=other")
    assert device.session_id in [each["id"] for each in listed.json["sessions"]]
    assert browser.call("DELETE", "/v1/admin/sessions?client_id=other").json["revoked"] >= 1
    assert device.who().code == "session_revoked"


def test_what_is_not_there_is_not_found(site: live.Site, admin: live.Device) -> None:
    """404 for an account, a session, a key; 400 for a client, and for a question without sense."""
    for method, path, body, code in (
        ("PATCH", "/v1/admin/accounts/nobody", {"roles": []}, "not_found"),
        ("DELETE", "/v1/admin/sessions/nothing", None, "not_found"),
        ("DELETE", "/v1/admin/sessions?subject=nobody", None, "not_found"),
        ("POST", "/v1/admin/keys/nokey/distrust", None, "not_found"),
        ("DELETE", "/v1/admin/sessions?client_id=nobody", None, "client_unknown"),
        ("DELETE", "/v1/admin/sessions", None, "malformed"),
        ("DELETE", "/v1/admin/sessions?subject=a&client_id=b", None, "malformed"),
        ("PATCH", "/v1/admin/accounts/nobody", {}, "malformed"),
        ("GET", "/v1/admin/events?before=0", None, "malformed"),
        ("GET", "/v1/admin/events?limit=1001", None, "malformed"),
    ):
        assert admin.call(method, path, body).code == code, (method, path)
    person = site.person()
    path = f"/v1/admin/accounts/{person.subject}"
    for wrong in (["a b"], ["é"], ["x" * 65], [""], ["a\n"]):
        assert admin.call("PATCH", path, {"roles": wrong}).code == "malformed"


def test_an_administrator_cannot_shut_the_door_behind_themselves(
    site: live.Site, admin: live.Device
) -> None:
    """Suspending one's own account is refused."""
    mine = admin.who().json["subject"]
    answer = admin.call("PATCH", f"/v1/admin/accounts/{mine}", {"state": "suspended"})
    assert answer.code == "malformed"
    assert admin.who().status == 200
    assert site.administrator().who().status == 200


def test_keys_are_shown_without_secrets_and_not_rotated_too_soon(tmp_path: Path) -> None:
    """A key that no verifier knows yet does not sign; a distrusted one is good for nothing."""
    with live.serving(tmp_path / "data") as site:
        admin, device = site.administrator(), site.person().sign_in("rsa")
        listed = admin.call("GET", "/v1/admin/keys")
        assert not {"d", "k", "p", "q", "private"} & set(listed.json["keys"][0])
        sent = {"algorithm": "ES256"}
        assert admin.call("POST", "/v1/admin/keys/rotate", sent).status == 200
        assert admin.who().status == 200, "tokens of the former key stay good"
        answer = admin.call("POST", "/v1/admin/keys/rotate", sent)
        assert (answer.status, answer.code) == (409, "key_too_new")
        assert "available_at" in answer.json
        (active,) = (
            each["kid"]
            for each in listed.json["keys"]
            if (each["algorithm"], each["purpose"], each["state"]) == ("RS256", "tokens", "active")
        )
        answer = admin.call("POST", f"/v1/admin/keys/{active}/distrust")
        states = {each["kid"]: each["state"] for each in answer.json["keys"]}
        assert states[active] == "distrusted"
        live.until(lambda: device.who().code == "key_unknown", patience=1)
        assert device.refresh().status == 200
        assert device.who().status == 200
        assert admin.who().status == 200


def test_clients_are_listed_with_what_they_are_issued(site: live.Site, admin: live.Device) -> None:
    """Every registered client with its strategy, carrier and lifetimes."""
    listed = {
        each["client_id"]: each for each in admin.call("GET", "/v1/admin/clients").json["clients"]
    }
    assert {"web", "api", "partner", *(each.client_id for each in live.MORE_CLIENTS)} == set(listed)
    assert listed["hasty"]["access_seconds"] == 2
    assert listed["partner"]["manage"] is False
    assert site.url.startswith("http://localhost:")


def test_the_trail_is_told_newest_first_and_without_secrets(
    site: live.Site, admin: live.Device
) -> None:
    """Signing in, refreshing and signing out, each with its session; paged by number."""
    device = site.person().sign_in("api")
    secrets = list(device.secrets)
    device.refresh()
    secrets += device.secrets
    device.sign_out()
    path = f"/v1/admin/events?subject={device.person.subject}"
    trail = admin.call("GET", path)
    kinds = [each["kind"] for each in trail.json["events"]]
    assert kinds == [
        "session_revoked",
        "session_refreshed",
        "session_opened",
        "account_registered",
    ]
    assert not [text for text in secrets if text in trail.raw.decode()]
    numbers = [each["number"] for each in trail.json["events"]]
    older = admin.call("GET", f"{path}&before={numbers[1]}&limit=1").json
    assert [each["number"] for each in older["events"]] == numbers[2:3]
    assert older["next"] == numbers[2]
