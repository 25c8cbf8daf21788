"""The calls about one's own sessions, in an application."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import applications
import verifying
from applications import Site, code, holding
from counterfoil import Client, Counterfoil, JwtStrategy, Lifetime
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, SessionRevoked
from counterfoil.integrations.fastapi import protect, session_routes
from scenes import CLIENTS, EVERY_ID, ISSUER, KEYS, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

CROSS = {"sec-fetch-site": "cross-site"}
MANAGING = ("web", "api")


@pytest.fixture
def site() -> Iterator[Site]:
    with applications.site() as made:
        yield made


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_who_am_i(site: Site, client_id: str) -> None:
    """Everything that a check found, with the audience of the client; nobody may store it."""
    site.roles.of["ann"] = ["reader"]
    opened = site.open("ann", client_id)
    answer = holding(site.visitor(), opened).get("/v1/session")
    shown = answer.json()
    for name in ("as_of", "auth_time", "expires_at"):
        assert shown.pop(name).endswith("Z")
    assert shown == {
        "subject": "ann",
        "session_id": opened.session.id,
        "client_id": client_id,
        "strategy": site.auth.clients[client_id].strategy,
        "audience": client_id,
        "claims": {"roles": ["reader"]},
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie, Authorization"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_claim_may_be_null() -> None:
    """It is told as it is."""
    with scene() as played:
        opened = drive(played.auth.open("ann", client_id="api", claims={"nick": None}))
        app = FastAPI()
        app.include_router(session_routes(played.auth))
        shown = holding(TestClient(app), opened).get("/v1/session").json()
    assert shown["claims"] == {"nick": None}


def test_who_am_i_by_the_record(site: Site) -> None:
    """confirm=true asks the record, whatever the strategy: a plain JWT that was revoked too."""
    opened = site.open("ann", "partner")
    person = holding(site.visitor(), opened)
    drive(site.auth.revoke(opened.session.id))
    assert person.get("/v1/session").status_code == 200
    assert code(person.get("/v1/session?confirm=true")) == "session_revoked"


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_a_credential_is_refreshed(site: Site, client_id: str) -> None:
    """By cookie, or by the handle in the body; the new one is good."""
    opened = site.open("ann", client_id)
    issued = opened.credential
    if issued.carrier == "cookie":
        person = holding(site.visitor(), opened)
        answer = person.post("/v1/session/refresh")
        assert answer.headers.get_list("set-cookie")
        assert "token" not in answer.json()["credential"]
    else:
        sent = {"refresh_handle": issued.refresh_handle or issued.token}
        person = site.visitor()
        answer = person.post("/v1/session/refresh", json=sent)
        person.headers["Authorization"] = f"Bearer {answer.json()['credential']['token']}"
    assert answer.status_code == 200
    assert answer.json()["session"]["id"] == opened.session.id
    assert person.get("/v1/session").status_code == 200
    record = drive(site.auth.session(opened.session.id))
    assert record.generation == 1


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_signing_out_ends_the_session(site: Site, client_id: str) -> None:
    """The count says so; cookies are cleared, and a repeat with the same credential counts none."""
    opened = site.open("ann", client_id)
    person = holding(site.visitor(), opened)
    first, second = (person.delete("/v1/session") for _ in range(2))
    assert first.json()["revoked"] == 1
    cleared = [line for line in first.headers.get_list("set-cookie") if "Max-Age=0" in line]
    signs = site.auth.clients[client_id].signs
    if opened.credential.carrier == "cookie":
        assert len(cleared) == (2 if signs else 1)
        assert code(second) == "credential_missing"
    else:
        assert cleared == []
        assert (second.status_code, second.json()["revoked"]) == (200, 0)
    with pytest.raises(SessionRevoked):
        drive(site.scene.refresh(opened))


@pytest.mark.parametrize("client_id", MANAGING)
def test_my_devices_are_listed_and_ended(site: Site, client_id: str) -> None:
    """One, all others, all; another person's are not found."""
    person = site.person("ann", client_id)
    other, third = site.open("ann", "phone"), site.open("ann", "spa")
    theirs = site.open("bob", "phone")
    listed = person.get("/v1/sessions").json()["sessions"]
    assert [each["current"] for each in listed].count(True) == 1
    assert {each["client_id"] for each in listed} == {client_id, "phone", "spa"}
    assert code(person.delete(f"/v1/sessions/{theirs.session.id}")) == "not_found"
    assert person.delete(f"/v1/sessions/{other.session.id}").json()["revoked"] == 1
    assert person.delete("/v1/sessions?keep=current").json()["revoked"] == 1
    assert code(holding(site.visitor(), third).get("/v1/session")) == "session_revoked"
    last = person.delete("/v1/sessions")
    assert last.json()["revoked"] == 1
    assert bool(last.headers.get_list("set-cookie")) is (client_id == "web")
    assert holding(site.visitor(), theirs).get("/v1/session").status_code == 200


@pytest.mark.parametrize("client_id", [each for each in EVERY_ID if each not in MANAGING])
def test_a_client_that_may_not_manage_lists_and_ends_nothing(site: Site, client_id: str) -> None:
    """403, whatever its strategy; signing itself out it can."""
    opened = site.open("ann", client_id)
    person = holding(site.visitor(), opened)
    for method, path in (
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions"),
        ("DELETE", f"/v1/sessions/{opened.session.id}"),
    ):
        assert code(person.request(method, path)) == "forbidden"
    assert person.delete("/v1/session").json()["revoked"] == 1


def test_requests_are_read_strictly(site: Site) -> None:
    """What is not understood is refused as a problem, not left out."""
    person = site.person("ann", "api")
    refused = [
        person.delete("/v1/sessions?kepe=current"),
        person.delete("/v1/sessions?keep=current&keep=current"),
        person.delete("/v1/sessions?keep=other"),
        person.get("/v1/session?client_id="),
        person.post("/v1/session/refresh", json={"refresh_handle": "x", "more": 1}),
        person.post("/v1/session/refresh", json={"refresh_handle": "x"}),
        person.post("/v1/session/refresh", content=b"{}", headers={"content-type": "text/plain"}),
        person.request("DELETE", "/v1/session", content=b"{}"),
    ]
    assert {(each.status_code, code(each)) for each in refused} == {(400, "malformed")}
    huge = b"{" + b" " * 65536 + b"}"
    kind = {"content-type": "application/json"}
    answer = site.visitor().post("/v1/session/refresh", content=huge, headers=kind)
    assert (answer.status_code, code(answer)) == (413, "too_large")


def test_writes_of_other_sites_are_refused(site: Site) -> None:
    """Where the credential is a cookie."""
    person = site.person("ann", "web")
    for method, path in (
        ("DELETE", "/v1/session"),
        ("POST", "/v1/session/refresh"),
        ("DELETE", "/v1/sessions"),
    ):
        answer = person.request(method, path, headers=CROSS)
        assert (answer.status_code, code(answer)) == (403, "cross_site")
    assert person.get("/v1/session").status_code == 200


def test_further_origins_are_those_of_the_application() -> None:
    """What `protect` was told holds here too."""
    elsewhere = {"origin": "https://www.example"}
    with applications.site(origins=["https://www.example"]) as site:
        assert site.person().delete("/v1/session", headers=elsewhere).status_code == 200
    with applications.site() as site:
        assert code(site.person().delete("/v1/session", headers=elsewhere)) == "cross_site"


def test_of_two_clients_cookies_the_applications_own_count() -> None:
    """Those of the client that `protect` names, as everywhere else in it; a call may name
    another."""
    with applications.site(*CLIENTS, client_id="spa") as site:
        both = holding(site.person("ann", "web"), site.open("bob", "spa"))
        assert both.get("/v1/session").json()["subject"] == "bob"
        assert both.get("/v1/session?client_id=web").json()["subject"] == "ann"
        assert both.post("/v1/session/refresh").json()["session"]["client_id"] == "spa"
        site.scene.advance(600)
        assert both.get("/v1/session").json()["subject"] == "bob"
        assert both.delete("/v1/session").json()["revoked"] == 1
        assert [*both.cookies] == ["__Host-cf_web"]
        assert code(both.get("/v1/session")) == "credential_missing"


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(seconds=10)])
def test_what_the_middleware_renewed_counts(grace: timedelta) -> None:
    """An expired cookie was renewed before the call is reached, and its handle is spent: the call
    goes on with the new one, without a grace too."""
    client = Client(
        client_id="hasty",
        strategy="hybrid",
        carrier="cookie",
        manage=True,
        lifetime=Lifetime(grace=grace),
    )
    calls = [
        ("GET", "/v1/session"),
        ("GET", "/v1/sessions"),
        ("POST", "/v1/session/refresh"),
        ("DELETE", "/v1/sessions?keep=current"),
    ]
    with applications.site(client) as site:
        opened = site.open("ann", "hasty")
        person = holding(site.visitor(), opened)
        for generation, (method, path) in enumerate(calls, start=1):
            site.scene.advance(600)
            answer = person.request(method, path)
            assert answer.status_code == 200, answer.text
            lines = answer.headers.get_list("set-cookie")
            assert [line.partition("=")[0] for line in lines] == [
                "__Host-cf_hasty",
                "__Host-cf_hasty_r",
            ]
            assert drive(site.auth.session(opened.session.id)).generation == generation
        assert "refresh_repeated" not in drive(site.scene.kinds())
        site.scene.advance(600)
        answer = person.delete("/v1/session")
        assert answer.json()["revoked"] == 1
        assert all("Max-Age=0" in line for line in answer.headers.get_list("set-cookie"))
        assert code(person.get("/v1/session")) == "credential_missing"


def test_changed_privileges_bring_a_new_cookie_once(site: Site) -> None:
    """Fixation: with the middleware it is replaced there, without it here."""
    bare = FastAPI()
    bare.include_router(session_routes(site.auth))
    for app in (site.app, bare):
        opened = site.open("ann", "web")
        person = holding(TestClient(app, base_url=applications.HOST), opened)
        drive(site.auth.claims_changed("ann"))
        first, second = (person.get("/v1/session") for _ in range(2))
        assert len(first.headers.get_list("set-cookie")) == 1
        assert second.headers.get_list("set-cookie") == []
        assert drive(site.auth.session(opened.session.id)).generation == 1


def test_neither_middleware_nor_handlers_are_needed(site: Site) -> None:
    """The calls answer their refusals themselves: no 500 in an application that has only them."""
    app = FastAPI()
    app.include_router(session_routes(site.auth, prefix="/auth"))
    client = TestClient(app, base_url=applications.HOST)
    for method, path in (
        ("GET", "/auth/session"),
        ("DELETE", "/auth/session"),
        ("POST", "/auth/session/refresh"),
        ("GET", "/auth/sessions"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, code(answer)) == (401, "credential_missing")
        assert answer.headers["x-content-type-options"] == "nosniff"
    site.store.failing.add("look_up")
    answer = holding(client, site.open()).get("/auth/session")
    assert (answer.status_code, code(answer)) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"


def test_only_an_engine_with_a_store_has_sessions() -> None:
    """Refused when it is built."""
    storeless = Counterfoil(issuer=ISSUER, strategy=JwtStrategy(audience="app"), keys=KEYS)
    with verifying.scene() as issuer:
        made: Any
        for made in (storeless, issuer.verifier, None):
            with pytest.raises(ConfigurationError):
                session_routes(made)


def test_another_engine_than_the_applications_is_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Its cookies would be read with the wrong clients: a fault of the set-up, said in the log."""
    with scene() as other:
        app = FastAPI()
        protect(app, site.auth)
        app.include_router(session_routes(other.auth))
        answer = TestClient(app).get("/v1/session")
        assert (answer.status_code, "code" in answer.json()) == (500, False)
        assert "the same Counterfoil" in caplog.text
