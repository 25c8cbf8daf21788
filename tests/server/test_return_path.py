"""Where a person is sent to sign in, and what they come back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.checking import CROSS, PAGE, READ, asked

if TYPE_CHECKING:
    import live


@pytest.fixture(scope="module")
def web(trusting: live.Site) -> live.Device:
    return trusting.person().sign_in("web")


def test_a_person_is_told_where_to_sign_in(trusting: live.Site) -> None:
    """Only where the proxy asks for it: as a redirect, or in a header for those that cannot."""
    behind = {**PAGE, **READ, "X-Original-URI": "/orders?page=2&of=7"}
    address = "/auth/login?next=/orders%3Fpage%3D2%26of%3D7"
    answer = asked(trusting, "audience=web&login=redirect", behind)
    assert (answer.status, answer.header("location")) == (302, address)
    answer = asked(trusting, "audience=web&login=header", behind)
    assert (answer.status, answer.header("x-auth-login")) == (401, address)
    assert answer.header("location") is None
    answer = asked(trusting, "audience=web", behind)
    assert (answer.status, answer.header("x-auth-login")) == (401, None)
    caddy = {**PAGE, "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/orders?page=2&of=7"}
    assert asked(trusting, "audience=web&login=redirect", caddy).header("location") == address


def test_only_a_person_who_opens_a_page_is_sent_away(site: live.Site, trusting: live.Site) -> None:
    """A program, a write, an unknown path or method, an untrusted proxy: the bare 401."""
    behind = {**PAGE, **READ, "X-Original-URI": "/orders"}
    query = "audience=web&login=redirect"
    for changes in (
        {"Accept": "application/json"},
        {"Accept": "*/*"},
        {"X-Original-Method": "POST"},
        {"X-Original-Method": ""},
        {"X-Original-URI": ""},
        {"X-Forwarded-Uri": "/other"},
    ):
        answer = asked(trusting, query, {**behind, **changes})
        assert (answer.status, answer.header("location")) == (401, None), changes
    assert asked(trusting, query, behind).status == 302
    assert asked(site, query, behind).status == 401


def test_only_who_has_no_good_credential_is_sent_away(web: live.Device) -> None:
    """Not who lacks a role, comes from elsewhere, or asks while the answer is not known."""
    behind = {**PAGE, **READ, "X-Original-URI": "/orders"}
    assert asked(web, "audience=web&login=redirect", behind).status == 200
    assert asked(web, "audience=web&login=redirect&role=admin", behind).status == 403
    written = {**behind, **CROSS, "X-Original-Method": "POST"}
    assert asked(web, "audience=web&login=redirect", written).status == 403


@pytest.mark.parametrize(
    "uri",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "?x",
        "/../x",
        "/.//evil.example",
        "/%2E%2e//evil.example",
        "/x/..",
        "/a b",
        "/\u00e9",
        "/x#y",
        "/" + "x" * 2048,
    ],
)
def test_the_way_back_is_a_path_of_this_host_or_nothing(trusting: live.Site, uri: str) -> None:
    """S8: what could be read as another host, or in two ways, is not gone back to."""
    headers = [("Accept", "text/html"), ("X-Original-Method", "GET"), ("X-Original-URI", uri)]
    for how in ("redirect", "header"):
        answer = trusting.call("GET", f"/v1/check?audience=web&login={how}", headers=headers)
        assert answer.status == 401
        assert answer.header("location") is None
        assert answer.header("x-auth-login") is None
