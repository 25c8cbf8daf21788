"""The answer to whoever has just signed in to an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient

import applications
from applications import Site, code
from counterfoil import Client, Counterfoil
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.integrations.fastapi import protect, sign_in_response
from scenes import CLIENTS, EVERY_ID, ISSUER, KEYS, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

CROSS = {"sec-fetch-site": "cross-site"}
COOKIES = {"web": ["__Host-cf_web"], "spa": ["__Host-cf_spa", "__Host-cf_spa_r"]}


@pytest.fixture
def site() -> Iterator[Site]:
    with applications.site() as made:
        yield made


def sign_in(client: TestClient, client_id: str, subject: str = "ann", **headers: str) -> Any:
    body = {"subject": subject, "client_id": client_id}
    return client.post("/sign-in", json=body, headers=headers)


def live_ids(site: Site, subject: str = "ann") -> set[str]:
    return {session.id for session in drive(site.auth.sessions(subject))}


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_whoever_signs_in_is_signed_in(site: Site, client_id: str) -> None:
    """A cookie client by its cookies, a bearer client by what is in the body."""
    visitor = site.visitor()
    answer = sign_in(visitor, client_id)
    assert answer.status_code == 201
    shown = answer.json()["credential"]
    if client_id not in COOKIES:
        visitor.headers["Authorization"] = f"Bearer {shown['token']}"
    assert visitor.get("/me").json()["subject"] == "ann"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie, Authorization"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_the_secret_is_in_one_place(site: Site, client_id: str) -> None:
    """In cookies with every attribute and not in the body, or in the body and in no cookie."""
    answer = sign_in(site.visitor(), client_id)
    shown, lines = answer.json(), answer.headers.get_list("set-cookie")
    assert shown["session"]["strategy"] == site.auth.clients[client_id].strategy
    assert [line.partition("=")[0] for line in lines] == COOKIES.get(client_id, [])
    assert shown["credential"]["type"] == site.auth.clients[client_id].carrier
    if client_id in COOKIES:
        assert not {"token", "refresh_handle"} & set(shown["credential"])
        assert all(line.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax") for line in lines)
        age = int(lines[0].split("Max-Age=")[1].split(";")[0])
        assert 200 < age <= 7 * 86400
    else:
        assert shown["credential"]["token"]


def test_another_site_signs_nobody_in(site: Site) -> None:
    """403 before anything is looked at: no session is opened, no cookie set."""
    for client_id in EVERY_ID:
        answer = sign_in(site.visitor(), client_id, **CROSS)
        assert (answer.status_code, code(answer)) == (403, "cross_site")
        assert "set-cookie" not in answer.headers
    elsewhere = sign_in(site.visitor(), "web", origin="https://evil.example")
    assert code(elsewhere) == "cross_site"
    assert live_ids(site) == set()


def test_a_forgotten_guard_signs_nobody_in_either(site: Site) -> None:
    """The answer itself refuses another site, and ends the session that was opened for it."""

    @site.app.post("/unguarded")
    async def unguarded() -> Response:
        return sign_in_response(await site.auth.open("ann", client_id="web"))

    answer = site.visitor().post("/unguarded", headers=CROSS)
    assert (answer.status_code, code(answer)) == (403, "cross_site")
    assert "set-cookie" not in answer.headers
    assert live_ids(site) == set()
    assert site.visitor().post("/unguarded").status_code == 201


def test_further_origins_may_sign_in() -> None:
    """Those that `protect` was told; by Origin, where there is no Fetch Metadata."""
    with applications.site(origins=["https://www.example"]) as site:
        assert sign_in(site.visitor(), "web", origin="https://www.example").status_code == 201
        assert sign_in(site.visitor(), "web", origin="https://app.example").status_code == 201
        assert code(sign_in(site.visitor(), "web", origin="https://app2.example")) == "cross_site"


@pytest.mark.parametrize("client_id", sorted(COOKIES))
def test_the_session_of_the_replaced_cookie_is_ended(site: Site, client_id: str) -> None:
    """ASVS 7.2.4: nobody could end it from this browser any more; also somebody else's."""
    browser = site.visitor()
    first = sign_in(browser, client_id).json()["session"]["id"]
    assert live_ids(site) == {first}
    second = sign_in(browser, client_id).json()["session"]["id"]
    assert live_ids(site) == {second}
    sign_in(browser, client_id, subject="bob")
    assert live_ids(site) == set()
    assert browser.get("/me").json()["subject"] == "bob"


def test_sessions_of_other_devices_and_clients_go_on(site: Site) -> None:
    """Only the replaced cookie's ends; a cookie that is none of ours is no hindrance."""
    phone = site.person("ann", "phone")
    other = site.person("ann", "web")
    browser = site.visitor()
    browser.headers["cookie"] = "__Host-cf_web=cf_nonsense"
    assert sign_in(browser, "web").status_code == 201
    assert phone.get("/me").status_code == 200
    assert other.get("/me").status_code == 200


@pytest.mark.parametrize("client_id", ["web", "spa", "phone", "api"])
def test_a_step_up_goes_on_with_its_session(site: Site, client_id: str) -> None:
    """The same response hands out the new credential, and ends nothing."""
    person = site.person("ann", client_id)
    before = live_ids(site)
    answer = person.post("/step-up")
    assert answer.status_code == 200
    assert {answer.json()["session"]["id"]} == before == live_ids(site)
    if client_id not in COOKIES:
        person.headers["Authorization"] = f"Bearer {answer.json()['credential']['token']}"
    assert person.get("/me").status_code == 200


def test_an_expired_browser_signs_in_again(site: Site) -> None:
    """What the middleware renewed on the way gives place to the new session's cookies."""
    browser = site.person("ann", "spa")
    site.scene.advance(600)
    answer = sign_in(browser, "spa", subject="bob")
    lines = answer.headers.get_list("set-cookie")
    assert [line.partition("=")[0] for line in lines] == COOKIES["spa"]
    assert live_ids(site) == set()
    assert browser.get("/me").json()["subject"] == "bob"


def test_a_store_that_is_away_while_the_former_is_ended_keeps_nobody_out(site: Site) -> None:
    """The new session is open; its credential reaches the browser."""
    browser = site.visitor()
    sign_in(browser, "web")
    opened = site.open("bob", "web")

    @site.app.post("/late")
    async def late() -> Response:
        site.store.failing.add("look_up")
        return sign_in_response(opened)

    assert browser.post("/late").status_code == 201
    site.store.failing.clear()
    assert browser.get("/me").json()["subject"] == "bob"
    assert len(live_ids(site)) == 1


def test_a_former_cookie_from_when_there_was_a_store_keeps_nobody_out() -> None:
    """The application gave it up: there is no session left to end."""
    kiosk = Client(client_id="kiosk", strategy="jwt", carrier="cookie")
    with applications.site(kiosk) as site:
        former = site.open("ann", "kiosk")
        without = Counterfoil(issuer=ISSUER, clients=[kiosk], keys=KEYS, clock=site.scene.clock)
        app = FastAPI()
        protect(app, without)
        applications.signing_in(app, without)
        browser = applications.holding(TestClient(app, base_url=applications.HOST), former)
        assert sign_in(browser, "kiosk", subject="bob").status_code == 201
        assert "__Host-cf_kiosk_r" not in browser.cookies


def test_claims_too_large_for_a_cookie_open_no_session(site: Site) -> None:
    """A browser would drop the cookie without a word."""
    site.roles.of["ann"] = [f"{number:064}" for number in range(50)]

    @site.app.post("/large")
    async def large() -> Response:
        return sign_in_response(await site.auth.open("ann", client_id="spa"))

    answer = site.visitor().post("/large")
    assert (answer.status_code, answer.json()["code"]) == (409, "claims_too_large")
    assert "set-cookie" not in answer.headers
    assert live_ids(site) == set()


def test_it_needs_the_middleware(site: Site) -> None:
    """Without it nobody knows which sites are the application's own."""
    app = FastAPI()
    applications.signing_in(app, site.auth)

    @app.post("/unguarded")
    async def unguarded() -> Response:
        return sign_in_response(await site.auth.open("ann", client_id="web"))

    bare = TestClient(app, base_url=applications.HOST)
    for path in ("/sign-in", "/unguarded"):
        with pytest.raises(ConfigurationError, match="AuthMiddleware"):
            bare.post(path, json={"subject": "ann", "client_id": "web"})


def test_the_credential_says_by_itself_how_it_is_handed_out(site: Site) -> None:
    """`opened` is all that is needed: carrier, strategy and lifetime are those of its client."""
    for client in CLIENTS:
        opened = site.open("ann", client.client_id)
        assert opened.credential.strategy == client.strategy
        assert opened.credential.signs is client.signs
        assert opened.credential.issued_at == site.scene.now
        site.scene.advance(SECOND)
        lines = [
            value for name, value in sign_in_response(opened).raw_headers if name == b"set-cookie"
        ]
        assert len(lines) == len(COOKIES.get(client.client_id, []))
