"""What every answer has in common, whatever was asked for."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil.client import Client
from counterfoil.errors import ConfigurationError
from counterfoil.server.tables.clients import ClientRows

if TYPE_CHECKING:
    from pathlib import Path

CALLS = [
    ("POST", "/v1/accounts"),
    ("POST", "/v1/account/password"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions"),
    ("DELETE", "/v1/sessions"),
    ("DELETE", "/v1/sessions/x"),
    ("GET", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("POST", "/v1/session/refresh"),
    ("POST", "/v1/session/step-up"),
    ("GET", "/v1/admin/accounts"),
    ("PATCH", "/v1/admin/accounts/x"),
    ("GET", "/v1/admin/sessions"),
    ("DELETE", "/v1/admin/sessions"),
    ("DELETE", "/v1/admin/sessions/x"),
    ("GET", "/v1/admin/keys"),
    ("POST", "/v1/admin/keys/rotate"),
    ("POST", "/v1/admin/keys/x/distrust"),
    ("GET", "/v1/admin/clients"),
    ("GET", "/v1/admin/events"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/"),
    ("GET", "/openapi.json"),
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CALLS += [(method, "/v1/check") for method in METHODS]  # some proxies keep the client's
PATHS = sorted({path for _, path in CALLS})


def is_problem(answer: live.Answer) -> bool:
    """Whether this is a refusal as RFC 9457 has it, saying nothing but what it should."""
    body: dict[str, Any] = answer.json
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "no-store"
    assert body["type"] == "about:blank"
    assert body["status"] == answer.status
    assert body["title"]
    assert re.fullmatch(r"[a-z_]+", body["code"])
    assert body["detail"].endswith(".")
    assert body["next_step"].endswith(".")
    assert (answer.header("www-authenticate") is not None) is (answer.status == 401)
    assert (answer.header("retry-after") is not None) is (answer.status in {429, 503})
    return True


@pytest.mark.parametrize("path", PATHS)
def test_another_method_hears_which_are_allowed(site: live.Site, path: str) -> None:
    """405 with every method that the address takes, and a body that says 405 too."""
    allowed = {method for method, its in CALLS if its == path}
    told = allowed | ({"HEAD"} if "GET" in allowed else set())
    for method in METHODS:
        if method in allowed:
            continue
        answer = site.call(method, path)
        assert answer.status == 405, (method, path)
        assert is_problem(answer)
        assert set((answer.header("allow") or "").split(", ")) == told


@pytest.mark.parametrize("path", [path for method, path in CALLS if method == "GET"])
def test_head_is_get_without_a_body(site: live.Site, admin: live.Device, path: str) -> None:
    """The same status and headers, the length included; for refusals too."""
    for headers in ({}, admin.headers()):
        get, head = (site.call(method, path, headers=headers) for method in ("GET", "HEAD"))
        assert head.status == get.status
        assert head.raw == b""
        assert [name for name, _ in head.headers] == [name for name, _ in get.headers]
        assert head.header("content-length") == str(len(get.raw))


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_refusal_is_a_problem(site: live.Site, method: str, path: str) -> None:
    """Without a credential, with a query that is not known, with a body that is none."""
    answers = [
        site.call(method, path),
        site.call(method, f"{path}?marker=1"),
        site.call(method, path, b"marker", {"Content-Type": "application/json"}),
        site.call(method, path + "/marker"),
    ]
    for answer in answers:
        assert answer.status < 500
        assert answer.status < 400 or is_problem(answer)
        assert b"marker" not in answer.raw


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/", "/v2/session", "/V1/session", "//"])
def test_an_address_where_nothing_is_says_so(site: live.Site, path: str) -> None:
    """404 not_found, for any method."""
    for method in METHODS:
        answer = site.call(method, path)
        assert (answer.status, answer.code) == (404, "not_found")
        assert is_problem(answer)


def test_a_challenge_says_what_was_wrong_with_what_was_presented(site: live.Site) -> None:
    """RFC 6750 §3: no error where nothing was presented, invalid_token where it was."""
    plain = 'Bearer realm="counterfoil"'
    assert site.call("GET", "/v1/session").header("www-authenticate") == plain
    answer = site.call("GET", "/v1/session", headers={"Authorization": "Bearer x"})
    told = f'{plain}, error="invalid_token", error_description="credential_malformed"'
    assert answer.header("www-authenticate") == told


def test_the_server_says_where_things_are_and_that_it_lives(site: live.Site) -> None:
    """The index, health and readiness; none of them names the software's version."""
    index = site.call("GET", "/")
    assert index.json["issuer"] == site.url
    assert site.call("GET", index.json["keys"].removeprefix(site.url)).status == 200
    assert site.call("GET", "/livez").json == {"status": "alive"}
    assert site.call("GET", "/readyz").json == {"status": "ready"}
    assert index.header("server") is None


def test_a_store_that_is_gone_is_told_as_503(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cannot know is never no: 503 with Retry-After where the record is needed, and no 500; a
    plain token needs none."""
    with live.serving(tmp_path_factory.mktemp("gone") / "data") as site:
        web, partner = (site.person().sign_in(each) for each in ("web", "partner"))
        assert [web.who().status, partner.who().status] == [200, 200]
        assert site.server is not None
        site.server.store.rows.database.close()
        refused = [
            site.call("GET", "/readyz"),
            web.who(),
            web.call("GET", "/v1/sessions"),
            web.refresh(),
            web.sign_out(),
            partner.refresh(),
            partner.sign_out(),
            web.person.try_sign_in(),
            site.call("POST", "/v1/accounts", {"identifier": "late", "password": live.PASSWORD}),
        ]
        for answer in refused:
            assert (answer.status, answer.code) == (503, "store_unavailable")
            assert is_problem(answer)
            assert answer.set_cookies() == []
        assert partner.who().status == 200
        assert site.call("GET", "/livez").status == 200


def test_two_clients_whose_cookies_would_share_a_name_are_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A client `spa_r` would own the refresh cookie of `spa`: refused when it is registered, so
    that no request finds out."""
    with live.serving(tmp_path_factory.mktemp("names") / "data") as site:
        assert site.server is not None
        rows = ClientRows(site.server.store.blocking().rows, site.server.settings.lifetime)
        client = Client(client_id="spa_r", strategy="session", carrier="cookie")
        with pytest.raises(ConfigurationError, match="spa_r"):
            asyncio.run(rows.add(client, at=datetime.now(UTC), own_lifetime=True))
        assert site.person().sign_in("spa").who().status == 200


def test_a_store_that_may_lose_is_said_with_every_answer(tmp_path: Path) -> None:
    """Also with refusals; and one that keeps what it acknowledges says nothing."""
    with live.serving(tmp_path / "data", durability="may-lose-on-failover") as weaker:
        for answer in (weaker.person().try_sign_in(), weaker.call("GET", "/v1/session")):
            assert answer.header("counterfoil-durability") == "may-lose-on-failover"


def test_a_store_that_keeps_what_it_acknowledges_says_nothing(site: live.Site) -> None:
    """Durable is what is promised."""
    assert site.call("GET", "/livez").header("counterfoil-durability") is None
