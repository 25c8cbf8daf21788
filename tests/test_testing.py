"""What users of the library test with: somebody signed in, a result, a clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

import counterfoil.testing
from counterfoil import BlockingCounterfoil, Client, Counterfoil, MemoryStore, SqliteStore
from counterfoil.drive import drive
from counterfoil.errors import ClientUnknown, ConfigurationError, Malformed
from counterfoil.integrations.asgi import AuthMiddleware, auth_of, current_session
from counterfoil.integrations.starlette import clear_cookies
from counterfoil.testing import FrozenClock, asigned_in, signed_in, verified
from scenes import API, CLIENTS, EVERY_ID, ISSUER, KEYS, PHONE, WEB, Roles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from counterfoil.ports import Store

SITE = "https://testserver"
KIOSK = Client(client_id="kiosk", strategy="jwt", carrier="cookie")


async def who(request: Request) -> Response:
    found = current_session(request)
    return JSONResponse([found.subject, list(found.roles), found.client_id])


async def leave(request: Request) -> Response:
    await auth_of(request).revoke(current_session(request).session_id)
    response = Response()
    clear_cookies(response, request)
    return response


def starlette(auth: Counterfoil) -> Starlette:
    routes = [Route("/", who), Route("/leave", leave)]
    return Starlette(routes=routes, middleware=[Middleware(AuthMiddleware, auth=auth)])


def engine(store: Store | None = None, *clients: Client, **more: Any) -> Counterfoil:
    chosen = {"issuer": ISSUER, "clients": clients or CLIENTS, "keys": KEYS, **more}
    return Counterfoil(store=store or MemoryStore(), **chosen)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "app.db")
    yield made
    drive(made.close())


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_one_line_signs_a_client_in(store: Store, client_id: str) -> None:
    """Whatever the strategy, the carrier and the store; the same client comes back."""
    auth = engine(store)
    client = TestClient(starlette(auth), base_url=SITE)
    again = signed_in(client, auth, "ann", roles=["admin"], client_id=client_id)
    assert again is client
    assert client.get("/").json() == ["ann", ["admin"], client_id]


@pytest.mark.parametrize("client_id", EVERY_ID)
async def test_one_awaited_line_signs_a_client_in(store: Store, client_id: str) -> None:
    """Where the test itself is a coroutine."""
    auth = engine(store)
    transport = httpx2.ASGITransport(app=starlette(auth))
    async with httpx2.AsyncClient(transport=transport, base_url=SITE) as client:
        assert await asigned_in(client, auth, "ann", client_id=client_id) is client
        assert (await client.get("/")).json() == ["ann", [], client_id]


async def test_in_a_loop_it_must_be_awaited() -> None:
    """Said at once, and no session is opened."""
    auth = engine()
    with pytest.raises(ConfigurationError, match="await asigned_in"):
        signed_in(httpx2.Client(base_url=SITE), auth, client_id="web")
    assert await auth.sessions("ann") == []


def test_an_engine_that_blocks_signs_in_too() -> None:
    """For applications without a loop."""
    auth = BlockingCounterfoil(issuer=ISSUER, store=MemoryStore(), clients=[PHONE], keys=KEYS)
    client = signed_in(httpx2.Client(), auth, "ann")
    assert auth.check(client.headers["authorization"].removeprefix("Bearer ")).subject == "ann"


def test_cookies_are_kept_as_the_site_would_set_them() -> None:
    """What it sets or clears later takes their place; nothing is there twice."""
    auth = engine()
    client = signed_in(TestClient(starlette(auth), base_url=SITE), auth, client_id="spa")
    before = dict(client.cookies)
    assert set(before) == {"__Host-cf_spa", "__Host-cf_spa_r"}
    asyncio.run(auth.claims_changed("ann"))
    assert client.get("/").status_code == 200
    after = dict(client.cookies)
    assert set(after) == set(before)
    assert after != before
    assert len(list(client.cookies.jar)) == 2
    assert client.get("/leave").status_code == 200
    assert dict(client.cookies) == {}


@pytest.mark.parametrize("url", ["http://testserver", ""])
def test_cookies_without_https_are_refused(url: str) -> None:
    """The jar would keep them back in silence, and every test see a visitor."""
    auth = engine()
    clients: list[httpx2.Client] = [httpx2.Client(base_url=url)]
    if url:
        clients.append(TestClient(starlette(auth)))
    for client in clients:
        with pytest.raises(ConfigurationError, match='base_url="https://testserver"'):
            signed_in(client, auth, client_id="web")
        signed_in(client, auth, client_id="api")
    assert len(asyncio.run(auth.sessions("ann"))) == len(clients)


def test_a_client_without_a_cookie_jar_is_refused() -> None:
    """It could keep none."""
    odd = SimpleNamespace(base_url=SITE, headers={}, cookies=SimpleNamespace(jar={}))
    with pytest.raises(ConfigurationError, match=r"CookieJar"):
        signed_in(odd, engine(), client_id="web")


async def test_one_text_is_not_a_list_of_roles() -> None:
    """`roles="admin"` would be the roles a, d, m, i and n."""
    auth = engine(None, API)
    with pytest.raises(ConfigurationError, match=r'\["admin"\]'):
        verified(roles="admin")
    with pytest.raises(ConfigurationError, match=r'\["admin"\]'):
        await asigned_in(httpx2.AsyncClient(), auth, roles="admin")
    assert await auth.sessions("ann") == []


def test_the_only_client_needs_no_name() -> None:
    """Of several, one must be named."""
    auth = engine(None, API)
    client = signed_in(TestClient(starlette(auth)), auth)
    assert client.get("/").json() == ["ann", [], "api"]
    with pytest.raises(ClientUnknown):
        signed_in(client, engine(None, API, WEB))


def test_a_claims_source_is_the_only_one_asked() -> None:
    """What a test says beside it is refused unless it is the same: else the test would be about
    roles that nobody has."""
    roles = Roles({"ann": ["editor"]})
    auth = engine(None, claims=roles)
    client = TestClient(starlette(auth), base_url=SITE)
    assert signed_in(client, auth, client_id="api").get("/").json() == ["ann", ["editor"], "api"]
    signed_in(client, auth, roles=["editor"], client_id="api")
    for wrong in (["admin"], []):
        with pytest.raises(
            ConfigurationError, match="the engine's claims source answer these roles"
        ):
            signed_in(client, auth, roles=wrong, client_id="api")
    with pytest.raises(ConfigurationError, match="answer these plan"):
        signed_in(client, auth, claims={"plan": "free"}, client_id="api")


def test_claims_are_those_of_the_session() -> None:
    """With roles beside them, where the engine has no source of its own."""
    auth = engine(None, API)
    client = signed_in(httpx2.Client(), auth, roles=["a"], claims={"plan": ["free", 3]})
    token = client.headers["authorization"].removeprefix("Bearer ")
    assert auth.check_token(token).claims == {"plan": ["free", 3], "roles": ["a"]}


def test_signing_in_anew_replaces_the_credential() -> None:
    """A test may go on as somebody else."""
    auth = engine()
    client = TestClient(starlette(auth), base_url=SITE)
    for client_id in ("api", "web"):
        client.headers.pop("authorization", None)
        for subject in ("ann", "bob"):
            signed_in(client, auth, subject, client_id=client_id)
            assert client.get("/").json()[0] == subject


def test_time_goes_by_until_a_session_expires() -> None:
    """With the clock in the engine, a test waits for nothing."""
    clock = FrozenClock()
    auth = engine(None, WEB, clock=clock)
    client = signed_in(TestClient(starlette(auth), base_url=SITE), auth)
    clock.advance(WEB.lifetime.idle - timedelta(seconds=1))
    assert client.get("/").status_code == 200
    clock.advance(WEB.lifetime.idle)
    assert client.get("/").json()["code"] == "session_expired"


def test_an_expired_token_is_renewed_under_a_frozen_clock() -> None:
    """The jar's own clock goes on, and is not in the way."""
    clock = FrozenClock()
    auth = engine(None, KIOSK, clock=clock)
    client = signed_in(TestClient(starlette(auth), base_url=SITE), auth)
    clock.advance(KIOSK.lifetime.access + timedelta(seconds=1))
    answer = client.get("/")
    assert answer.status_code == 200
    assert len(answer.headers.get_list("set-cookie")) == 2
    drive(auth.close())


def test_a_result_is_made_without_a_check() -> None:
    """For tests of what stands above it."""
    found = verified()
    assert (found.subject, found.roles, found.claims, found.strategy) == ("ann", (), {}, "session")
    assert found.auth_time == found.as_of < found.expires_at
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    found = verified(
        "bob",
        roles=["admin"],
        claims={"plan": "free", "roles": ["x"]},
        client_id="web",
        session_id="s-1",
        strategy="hybrid",
        as_of=moment,
        auth_time=moment - timedelta(hours=2),
        expires_at=moment + timedelta(minutes=1),
    )
    assert found.claims == {"plan": "free", "roles": ["admin"]}
    assert (found.subject, found.client_id, found.session_id) == ("bob", "web", "s-1")
    assert (found.as_of - found.auth_time, found.expires_at) == (
        timedelta(hours=2),
        moment + timedelta(minutes=1),
    )


def test_a_result_that_no_check_gives_is_refused() -> None:
    """A test that rests on it would prove nothing."""
    with pytest.raises(Malformed):
        verified("")
    with pytest.raises(ConfigurationError):
        verified(roles=["two words"])
    with pytest.raises(ConfigurationError):
        verified(claims={"sub": "bob"})


def test_the_names_are_loaded_on_first_use() -> None:
    """`counterfoil.testing` brings no test tool into an application that imports it."""
    program = (
        "import sys; from counterfoil.testing import *;"
        "print({'pytest', 'anyio', 'httpx2', 'starlette', 'sqlite3'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
    assert dir(counterfoil.testing) == sorted(counterfoil.testing.__all__)
    assert not hasattr(counterfoil.testing, "signed_out")
