"""Starlette applications: who `request.user` is, and cookies of sign-in and sign-out."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from asking import browser, sent_with, who
from counterfoil import Counterfoil, MemoryStore, SqliteStore
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.integrations.asgi import AuthMiddleware, auth_of, current_session
from counterfoil.integrations.starlette import SessionBackend, clear_cookies, set_cookies
from counterfoil.testing import signed_in
from scenes import API, CLIENTS, ISSUER, KEYS, SPA, WEB
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.websockets import WebSocket

SITE = "https://testserver"


async def home(request: Request) -> Response:
    user = request.user
    told = {
        "name": user.display_name,
        "signed in": user.is_authenticated,
        "scopes": request.auth.scopes,
    }
    return JSONResponse(told)


@requires("authenticated")
async def mine(request: Request) -> Response:
    return PlainTextResponse(f"{request.user.identity} {request.user.verified.client_id}")


@requires("admin")
async def admin(request: Request) -> Response:
    return PlainTextResponse(f"for {request.user.identity}")


async def login(request: Request) -> Response:
    opened = await auth_of(request).open("bob", client_id=request.query_params["client_id"])
    response = PlainTextResponse("welcome")
    set_cookies(response, request, opened)
    return response


async def logout(request: Request) -> Response:
    await auth_of(request).revoke_all("bob")
    response = PlainTextResponse("bye")
    clear_cookies(response, request)
    return response


async def chat(websocket: WebSocket) -> None:
    subject = current_session(websocket).subject
    await websocket.accept()
    await websocket.send_text(f"{subject} {websocket.user.identity}")
    await websocket.close()


def starlette(auth: Counterfoil, **more: Any) -> Starlette:
    return Starlette(
        routes=[
            Route("/", home),
            Route("/mine", mine),
            Route("/admin", admin),
            Route("/login", login, methods=["POST"]),
            Route("/logout", logout, methods=["POST"]),
            WebSocketRoute("/chat", chat),
        ],
        middleware=[
            Middleware(AuthMiddleware, auth=auth, **more),
            Middleware(AuthenticationMiddleware, backend=SessionBackend()),
        ],
    )


@pytest.fixture(params=["memory", "sqlite"])
def auth(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counterfoil]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "app.db")
    made = Counterfoil(issuer=ISSUER, store=store, clients=CLIENTS, keys=KEYS)
    yield made
    drive(made.close())


@pytest.fixture
def client(auth: Counterfoil) -> TestClient:
    return TestClient(starlette(auth), base_url=SITE)


@pytest.mark.parametrize("client_id", [each.client_id for each in CLIENTS])
def test_a_person_is_the_user_with_their_roles(
    client: TestClient, auth: Counterfoil, client_id: str
) -> None:
    """Whatever the strategy and the carrier."""
    signed_in(client, auth, "ann", roles=["editor"], client_id=client_id)
    assert client.get("/").json() == {
        "name": "ann",
        "signed in": True,
        "scopes": ["authenticated", "editor"],
    }
    assert client.get("/mine").text == f"ann {client_id}"
    assert client.get("/admin").status_code == 403


def test_a_role_opens_what_requires_it(client: TestClient, auth: Counterfoil) -> None:
    """Starlette's scopes are the roles."""
    signed_in(client, auth, "ann", roles=["admin"], client_id="web")
    assert client.get("/admin").text == "for ann"


def test_a_visitor_has_no_scope_at_all(client: TestClient) -> None:
    """Not signed in, and not refused where nothing is required."""
    assert client.get("/").json() == {"name": "", "signed in": False, "scopes": []}
    assert client.get("/mine").status_code == 403


def test_a_role_named_authenticated_gives_nobody_anything(
    client: TestClient, auth: Counterfoil
) -> None:
    """Who has it is signed in anyway; when that is over, so is the scope."""
    signed_in(client, auth, "ann", roles=["authenticated"], client_id="web")
    assert client.get("/").json()["scopes"] == ["authenticated", "authenticated"]
    asyncio.run(auth.revoke_all("ann"))
    assert client.get("/").json()["scopes"] == []


def test_a_refused_bearer_header_is_answered_as_a_problem(
    client: TestClient, auth: Counterfoil
) -> None:
    """Also where anybody may come; Starlette's own 400 is not in the way."""
    signed_in(client, auth, "ann", client_id="api")
    asyncio.run(auth.revoke_all("ann"))
    answer = client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_outage_is_503(tmp_path: Path) -> None:
    """Never a visitor, and never Starlette's 400."""
    auth = Counterfoil(
        issuer=ISSUER, store=SqliteStore(tmp_path / "app.db"), clients=CLIENTS, keys=KEYS
    )
    client = signed_in(TestClient(starlette(auth), base_url=SITE), auth, client_id="web")
    drive(auth.close())
    answer = client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_the_backend_alone_is_a_wrong_set_up(auth: Counterfoil) -> None:
    """Without the middleware that checks, and in the wrong order, nobody is let in unseen."""
    right = starlette(auth).user_middleware
    for middleware in (right[1:], right[::-1]):
        app = Starlette(routes=[Route("/", home)], middleware=middleware)
        with pytest.raises(ConfigurationError, match="around what reads the session"):
            TestClient(app).get("/")


@pytest.mark.parametrize("client_id", ["web", "spa"])
def test_cookies_are_set_and_taken_back(client: TestClient, client_id: str) -> None:
    """With every attribute; the browser is then who has signed in, and afterwards a visitor."""
    answer = client.post(f"/login?client_id={client_id}")
    assert answer.text == "welcome"
    names = {f"__Host-cf_{client_id}"} | ({"__Host-cf_spa_r"} if client_id == "spa" else set())
    assert set(client.cookies) == names
    assert client.get("/mine").text == f"bob {client_id}"
    assert client.post("/logout").text == "bye"
    assert set(client.cookies) == set()
    assert client.get("/").json()["signed in"] is False


def test_cookies_are_taken_back_when_only_one_is_left(
    client: TestClient, auth: Counterfoil
) -> None:
    """The browser dropped the token at its end; the handle is not to stay, renewed or refused."""
    for is_over in (False, True):
        client.post("/login?client_id=spa")
        client.cookies.delete("__Host-cf_spa")
        if is_over:
            asyncio.run(auth.revoke_all("bob"))
        assert len(client.post("/logout").headers.get_list("set-cookie")) == 2
        assert set(client.cookies) == set()


def test_cookies_of_the_named_client_are_taken_back(auth: Counterfoil) -> None:
    """Beside another client's, which are not this application's business."""
    client = TestClient(starlette(auth, client_id="spa"), base_url=SITE)
    for client_id in ("web", "spa"):
        signed_in(client, auth, "bob", client_id=client_id)
    client.cookies.delete("__Host-cf_spa")
    asyncio.run(auth.revoke_all("bob"))
    client.post("/logout")
    assert set(client.cookies) == {"__Host-cf_web"}


def test_who_has_no_cookies_is_told_of_none(client: TestClient, auth: Counterfoil) -> None:
    """Neither a visitor nor a bearer client."""
    assert "set-cookie" not in client.post("/logout").headers
    signed_in(client, auth, "ann", client_id="api")
    assert "set-cookie" not in client.post("/logout").headers
    assert "set-cookie" not in client.post("/login?client_id=api").headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_another_site_signs_nobody_in(client: TestClient, origin: str) -> None:
    """Login CSRF: a form elsewhere would make this browser somebody else's."""
    answer = client.post("/login?client_id=web", headers={"origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert set(client.cookies) == set()
    assert client.post("/login?client_id=web", headers={"origin": ISSUER}).text == "welcome"


def test_a_websocket_knows_who_opened_it(client: TestClient, auth: Counterfoil) -> None:
    """By the cookie of the handshake; a visitor is told as a problem."""
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/chat"):
        pass
    assert (refused.value.status_code, refused.value.json()["code"]) == (401, "credential_missing")
    signed_in(client, auth, "ann", client_id="web")
    with client.websocket_connect("wss://testserver/chat") as chatting:
        assert chatting.receive_text() == "ann ann"


def test_a_websocket_renews_the_cookies(client: TestClient, auth: Counterfoil) -> None:
    """In its handshake."""
    signed_in(client, auth, "ann", client_id="spa")
    client.cookies.delete("__Host-cf_spa")
    with client.websocket_connect("wss://testserver/chat") as chatting:
        assert chatting.receive_text() == "ann ann"
        set_by: Any = chatting.extra_headers
        names = [name for name, _ in set_by]
        assert names == [b"set-cookie"] * 2


# Over real HTTP, with uvicorn.


def over_http(url: str, headers: Any) -> tuple[int, str, list[str]]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request("GET", "/mine", headers={k.decode(): v.decode() for k, v in headers})
        answer = connection.getresponse()
        set_by = [v for k, v in answer.getheaders() if k.lower() == "set-cookie"]
        return answer.status, answer.read().decode(), set_by
    finally:
        connection.close()


def test_parallel_requests_over_http_are_all_served_and_nobody_is_signed_out(
    tmp_path: Path,
) -> None:
    """Twenty of a browser whose token is gone: one rotation, one family, twenty answers."""
    auth = Counterfoil(
        issuer=ISSUER, store=SqliteStore(tmp_path / "app.db"), clients=(SPA, WEB, API), keys=KEYS
    )
    opened = asyncio.run(auth.open("ann", client_id="spa"))
    ann = browser(who, opened)
    del ann.cookies["__Host-cf_spa"]
    with serving(lambda _: starlette(auth)) as url, ThreadPoolExecutor(20) as tabs:
        answers = list(tabs.map(lambda _: over_http(url, ann.headers()), range(20)))
        assert {(status, text) for status, text, _ in answers} == {(200, "ann spa")}
        handles = {line.partition(";")[0] for _, _, lines in answers for line in lines[1:]}
        assert [len(lines) for _, _, lines in answers] == [2] * 20
        assert len(handles) == 1
        (session,) = asyncio.run(auth.sessions("ann"))
        assert (session.id, session.generation) == (opened.session.id, 1)
        api = asyncio.run(auth.open("bob", client_id="api"))
        assert over_http(url, sent_with(api)) == (200, "bob api", [])
    drive(auth.close())
