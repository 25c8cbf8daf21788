"""Introspection: what the record says of a credential now, and nothing of one that is not good."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil.errors import StoreUnavailable
from programs import program

if TYPE_CHECKING:
    from pathlib import Path

INACTIVE = {"active": False}


def seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


@pytest.mark.parametrize("client_id", ["api", "partner", "rsa"])
def test_an_access_token_is_told_whole(site: live.Site, client_id: str) -> None:
    """RFC 7662 §2.2 in RFC 9068's names, whatever the strategy, algorithm and typ."""
    person = site.person()
    device = person.sign_in(client_id)
    answer = program(site, client_id).introspect(device.token)
    told = answer.json
    lifetime = told.pop("exp") - told["iat"]
    assert 250 < lifetime <= 300
    assert abs(told.pop("iat") - time.time()) < 60
    assert abs(told.pop("auth_time") - time.time()) < 60
    assert len(told.pop("jti")) == 22
    assert told == {
        "active": True,
        "client_id": client_id,
        "token_type": "Bearer",
        "token_use": "access_token",
        "iss": site.url,
        "aud": client_id,
        "sub": person.subject,
        "sid": device.session_id,
        "roles": [],
    }
    assert answer.header("content-type") == "application/json"


def test_a_session_handle_is_an_access_token_that_expires_with_the_session(site: live.Site) -> None:
    """It has no jti and no iat: it is no JWT."""
    device = site.person().sign_in("phone")
    told = program(site, "phone").introspect(device.token).json
    assert (told["active"], told["token_type"], told["token_use"]) == (
        True,
        "Bearer",
        "access_token",
    )
    assert told["exp"] == seconds(device.opened["session"]["expires_at"])
    assert not {"jti", "iat"} & told.keys()


def test_a_refresh_handle_is_told_as_one_and_to_its_own_client_alone(site: live.Site) -> None:
    """It has no token_type: at a resource it authorizes nothing."""
    device = site.person().sign_in("api")
    told = program(site).introspect(device.handle, token_type_hint="access_token").json
    assert (told["active"], told["token_use"]) == (True, "refresh_token")
    assert "token_type" not in told
    assert program(site, "same-audience").introspect(device.handle).json == INACTIVE


def test_a_client_of_the_same_audience_is_told_too(site: live.Site) -> None:
    """A service that is called by the programs of several clients; no other service."""
    device = site.person().sign_in("api")
    assert program(site, "same-audience").introspect(device.token).json["client_id"] == "api"
    assert program(site, "partner").introspect(device.token).json == INACTIVE


@pytest.mark.parametrize("client_id", ["api", "partner", "phone"])
def test_a_revocation_shows_at_once(site: live.Site, client_id: str) -> None:
    """Also for a plain JWT, whose signature is still good; and for both its texts."""
    device = site.person().sign_in(client_id)
    ours = program(site, client_id)
    assert ours.introspect(device.token).json["active"]
    device.sign_out()
    for text in device.secrets:
        assert ours.introspect(text).json == INACTIVE


def test_a_suspension_shows_at_once_and_roles_are_those_of_now(
    site: live.Site, admin: live.Device
) -> None:
    """The token still names those of before."""
    person = site.person()
    device, ours = person.sign_in("partner"), program(site, "partner")
    path = f"/v1/admin/accounts/{person.subject}"
    admin.call("PATCH", path, {"roles": ["editor"]})
    assert ours.introspect(device.token).json["roles"] == ["editor"]
    admin.call("PATCH", path, {"state": "suspended"})
    assert ours.introspect(device.token).json == INACTIVE
    assert ours.introspect(device.handle).json == INACTIVE
    admin.call("PATCH", path, {"state": "active"})
    assert ours.introspect(device.token).json["active"]


def test_nothing_tells_why_something_is_not_active(site: live.Site) -> None:
    """Unknown, malformed, tampered with, of a cookie client: two words, 200 (RFC 7662 §2.2)."""
    token = site.person().sign_in("api").token
    cookie = site.person().sign_in("web")
    ours = program(site)
    for text in ("x", "cf_" + "a" * 60, "a.b.c", token[:-6] + "AAAAAA", token + "=", "\0", "ä"):
        answer = ours.introspect(text)
        assert (answer.status, answer.json) == (200, INACTIVE), text
    (handle,) = cookie.cookies.values()
    assert program(site, "web").introspect(handle).json == INACTIVE


def test_an_expired_token_is_not_active(site: live.Site) -> None:
    """Its session goes on, and its refresh handle is still good."""
    device = site.person().sign_in("hasty")
    ours = program(site, "hasty")
    live.until(lambda: ours.introspect(device.token).json == INACTIVE)
    assert ours.introspect(device.handle).json["active"]


def test_looking_is_no_use(site: live.Site, admin: live.Device) -> None:
    """A spent handle that is shown after its grace is not active, ends no family, and leaves a
    line in the trail; nobody counts as seen."""
    person = site.person()
    device = person.sign_in("brief")
    ours, spent = program(site, "brief"), device.handle
    assert device.refresh().status == 200
    assert ours.introspect(spent).json["active"]  # within its grace it still leads on
    live.until(lambda: ours.introspect(spent).json == INACTIVE)
    assert device.refresh().status == 200
    query = f"/v1/admin/events?subject={person.subject}"
    kinds = [event["kind"] for event in admin.call("GET", query).json["events"]]
    assert "spent_introspected" in kinds
    assert not {"refresh_reused", "refresh_repeated", "session_revoked"} & set(kinds)


def test_a_store_that_does_not_answer_is_never_inactive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 as a problem, with Retry-After: whoever asks must not take it for a no."""
    with live.serving(tmp_path / "data") as site:
        device, ours = site.person().sign_in("partner"), program(site, "partner")
        assert site.server is not None

        async def silent(*_: Any) -> None:
            raise StoreUnavailable

        monkeypatch.setattr(type(site.server.auth.store), "look_up", silent)
        for text in device.secrets:
            for call in (ours.introspect, ours.revoke, ours.refresh):
                answer = call(text)
                if (call, text) != (ours.refresh, device.token):
                    assert (answer.status, answer.code) == (503, "store_unavailable")
                    assert answer.header("retry-after") == "1"


def test_a_failure_is_never_inactive(site: live.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """500, whatever kind of error it is: nothing was found out about the credential."""
    device, ours = site.person().sign_in("partner"), program(site, "partner")

    async def fail(*_: Any) -> None:
        raise KeyError

    monkeypatch.setattr("counterfoil.server.composition.claims_of", fail)
    assert ours.introspect(device.token).status == 500


def test_times_are_whole_seconds(site: live.Site) -> None:
    """NumericDate as JWT libraries take it."""
    told = program(site).introspect(site.person().sign_in("api").token).json
    assert all(type(told[name]) is int for name in ("exp", "iat", "auth_time"))
    assert told["exp"] <= datetime.now(UTC).timestamp() + 300
