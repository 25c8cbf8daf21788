"""Revocation and the refresh grant, as other people's OAuth libraries call them."""

from __future__ import annotations

import pytest

import live
from programs import post, program


@pytest.mark.parametrize("client_id", ["api", "partner", "phone"])
@pytest.mark.parametrize("which", ["token", "handle"])
def test_revoking_either_text_ends_the_session(site: live.Site, client_id: str, which: str) -> None:
    """All of it (RFC 7009 §2.1); and the answer says how soon, and when it is repeated."""
    device, ours = site.person().sign_in(client_id), program(site, client_id)
    text = device.handle if which == "handle" and device.handle else device.token
    answer = ours.revoke(text, token_type_hint="refresh_token")
    assert (answer.status, answer.json["revoked"]) == (200, 1)
    within = {"api": 10, "partner": 300, "phone": 0}[client_id]
    assert 0 <= within - answer.json["effective_within_seconds"] <= 60
    assert all(not ours.introspect(each).json["active"] for each in device.secrets)
    assert device.refresh().code == "session_revoked"
    again = ours.revoke(text).json
    assert (again["revoked"], again["ended_at"]) == (0, answer.json["ended_at"])


@pytest.mark.parametrize("text", ["x", "cf_" + "a" * 60, "a.b.c", "\0ä"])
def test_a_token_that_is_none_is_200_and_nothing_ended(site: live.Site, text: str) -> None:
    """RFC 7009 §2.2; no promise is made with it."""
    answer = program(site).revoke(text)
    assert (answer.status, answer.json) == (200, {"revoked": 0})


def test_an_expired_token_still_ends_its_session(site: live.Site) -> None:
    """As a sign-out does."""
    device, ours = site.person().sign_in("hasty"), program(site, "hasty")
    live.until(lambda: not ours.introspect(device.token).json["active"])
    assert ours.revoke(device.token).json["revoked"] == 1
    assert not ours.introspect(device.handle).json["active"]


@pytest.mark.parametrize("other", ["partner", "same-audience"])
def test_what_is_of_another_client_is_refused(site: live.Site, other: str) -> None:
    """RFC 7009 §2.1, and the client is told; also where the audience is the same."""
    device = site.person().sign_in("api")
    theirs = program(site, other)
    for text in device.secrets:
        answer = theirs.revoke(text)
        assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
        assert answer.json["code"] == "forbidden"
    refused = theirs.refresh(device.handle)
    assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
    assert refused.json["code"] == "refresh_unknown"
    assert device.who().status == 200
    assert device.refresh().status == 200


def test_a_refresh_answers_as_rfc_6749_says(site: live.Site) -> None:
    """With a new refresh token, whose former one is spent."""
    device, ours = site.person().sign_in("partner"), program(site, "partner")
    answer = ours.refresh(device.handle)
    renewed = answer.json
    assert (answer.status, renewed["token_type"]) == (200, "Bearer")
    assert 250 < renewed["expires_in"] <= 300
    assert renewed.keys() == {
        *("access_token", "token_type", "expires_in", "refresh_token"),
        *("effective_within_seconds", "elsewhere_within_seconds"),
    }
    assert renewed["refresh_token"] not in device.secrets
    assert ours.introspect(renewed["access_token"]).json["sid"] == device.session_id
    assert (answer.header("cache-control"), answer.header("pragma")) == ("no-store", "no-cache")


def test_a_session_clients_access_token_is_its_refresh_token(site: live.Site) -> None:
    """The one handle it has; it expires with the session."""
    device, ours = site.person().sign_in("phone"), program(site, "phone")
    renewed = ours.refresh(device.token).json
    assert renewed["access_token"] == renewed["refresh_token"] != device.token
    assert 6 * 86400 < renewed["expires_in"] <= 7 * 86400
    assert ours.introspect(renewed["access_token"]).json["active"]


def test_a_lost_reply_is_retried_and_a_theft_is_ended(site: live.Site) -> None:
    """The same successor within the grace; after it, the end of the family."""
    device, ours = site.person().sign_in("brief"), program(site, "brief")
    first = ours.refresh(device.handle).json
    assert ours.refresh(device.handle).json["refresh_token"] == first["refresh_token"]
    live.until(lambda: not ours.introspect(device.handle).json["active"])
    reused = ours.refresh(device.handle)
    assert (reused.status, reused.json["error"]) == (400, "invalid_grant")
    assert reused.json["code"] == "refresh_reused"
    assert ours.refresh(first["refresh_token"]).json["code"] == "session_revoked"


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type", "malformed"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type", "malformed"),
        ({"grant_type": "refresh_token"}, "invalid_request", "malformed"),
        ({"refresh_token": "x"}, "invalid_request", "malformed"),
        (
            {"grant_type": "refresh_token", "refresh_token": "x", "scope": "read"},
            "invalid_scope",
            "malformed",
        ),
        (
            {"grant_type": "refresh_token", "refresh_token": "x"},
            "invalid_grant",
            "credential_malformed",
        ),
        (
            {"grant_type": "refresh_token", "refresh_token": "cf_" + "a" * 60},
            "invalid_grant",
            "refresh_unknown",
        ),
    ],
)
def test_a_grant_that_cannot_be_given_is_refused_in_the_words_of_the_rfc(
    site: live.Site, fields: dict[str, str], error: str, code: str
) -> None:
    """§5.2, with our code beside."""
    answer = program(site).call("token", **fields)
    assert (answer.status, answer.json["error"], answer.json["code"]) == (400, error, code)


def test_an_empty_scope_is_no_scope(site: live.Site) -> None:
    """§3.2: a parameter without a value counts as left out."""
    device, ours = site.person().sign_in("api"), program(site)
    assert ours.refresh(device.handle, scope="").status == 200


def test_a_cookie_client_renews_by_cookie(site: live.Site) -> None:
    """Its handle must not come out of the cookie."""
    device = site.person().sign_in("spa")
    handle = device.cookies["__Host-cf_spa_r"]
    answer = program(site, "spa").refresh(handle)
    assert (answer.status, answer.json["error"]) == (400, "unauthorized_client")
    assert device.refresh().status == 200


def test_a_client_without_a_secret_is_refused(site: live.Site) -> None:
    """It has the calls under /v1."""
    device = site.person().sign_in("other")
    body = f"client_id=other&grant_type=refresh_token&refresh_token={device.handle}"
    assert post(site, "token", body).json["error"] == "invalid_client"


def test_the_metadata_names_what_there_is(site: live.Site) -> None:
    """RFC 8414 §2: each endpoint, how to authenticate there, the only grant, and where the status
    lists are (Token Status List §9)."""
    methods = ["client_secret_basic", "client_secret_post"]
    assert site.call("GET", "/.well-known/oauth-authorization-server").json == {
        "issuer": site.url,
        "jwks_uri": f"{site.url}/.well-known/jwks.json",
        "response_types_supported": [],
        "status_list_aggregation_endpoint": f"{site.url}/status/lists",
        "grant_types_supported": ["refresh_token"],
        "token_endpoint": f"{site.url}/oauth/token",
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": f"{site.url}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": f"{site.url}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
    }
