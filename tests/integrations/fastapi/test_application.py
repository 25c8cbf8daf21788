"""`protect`: one line for an application."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

import applications
import verifying
from applications import code, site
from counterfoil import BlockingCounterfoil, Client, Lifetime, MemoryStore, SessionStrategy
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.integrations.asgi import AuthMiddleware
from counterfoil.integrations.fastapi import CurrentSession, protect
from scenes import CLIENTS, ISSUER, KEYS, scene


def test_what_cannot_work_is_refused_when_it_is_built() -> None:
    """Not at the first request."""
    with scene() as played, verifying.scene() as issuer:
        blocking = BlockingCounterfoil(
            issuer=ISSUER, store=MemoryStore(), strategy=SessionStrategy(), keys=KEYS
        )
        for auth, asked in (
            (blocking, {}),
            (played.auth, {"audience": "nobody"}),
            (played.auth, {"client_id": "api"}),
            (issuer.verifier, {"audience": "api"}),
        ):
            with pytest.raises(ConfigurationError):
                protect(FastAPI(), auth, **asked)  # type: ignore[arg-type]  # what is refused
        blocking.close()


def test_protecting_twice_is_refused() -> None:
    """Two checks of one request would spend two refresh handles."""
    with scene() as played:
        app = FastAPI()
        protect(app, played.auth)
        with pytest.raises(ConfigurationError, match="once"):
            protect(app, played.auth)
        other = FastAPI()
        other.add_middleware(AuthMiddleware, auth=played.auth)
        with pytest.raises(ConfigurationError, match="once"):
            protect(other, played.auth)


def test_what_was_sent_is_not_sent_back() -> None:
    """A password is in the body that FastAPI cannot read; the rest of its 422 stays as it is."""

    async def sign_in(sent: applications.SignIn) -> None: ...

    plain, own = FastAPI(), FastAPI()
    with scene() as played:
        protect(own, played.auth)
        for body in (b'{"subject": "ann", "passwrod": "my secret"}', b'{"passwrod": "my secret'):
            answers = []
            for app in (plain, own):
                app.post("/sign-in")(sign_in)
                kind = {"content-type": "application/json"}
                answers.append(TestClient(app).post("/sign-in", content=body, headers=kind))
            expected = answers[0].json()
            assert [each.pop("input") for each in expected["detail"]]
            assert "my secret" not in answers[1].text
            assert (answers[1].status_code, answers[1].json()) == (422, expected)


@pytest.mark.parametrize("is_before", [True, False])
def test_an_application_may_say_itself_what_it_cannot_read(*, is_before: bool) -> None:
    """Its own handler counts, whenever it was added."""

    def odd(*_: object) -> Response:
        return Response("odd", 400)

    with scene() as played:
        app = FastAPI()
        for step in range(2):
            if is_before is (step == 0):
                app.add_exception_handler(RequestValidationError, odd)
            else:
                protect(app, played.auth)

        @app.post("/sign-in")
        async def sign_in(sent: applications.SignIn) -> None: ...

        assert TestClient(app).post("/sign-in", json={}).text == "odd"


def test_an_audience_keeps_other_clients_out() -> None:
    """As the middleware does."""
    with site(audience="api") as made:
        assert made.person("ann", "api").get("/me").status_code == 200
        assert code(made.person("ann", "partner").get("/me")) == "wrong_audience"


def test_a_client_is_named_where_several_have_cookies() -> None:
    """A browser with the cookies of two clients is served as the one that is named."""
    with site(*CLIENTS, client_id="spa") as made:
        both = made.person("ann", "web")
        cookies = {**dict(both.cookies), **dict(made.person("bob", "spa").cookies)}
        browser = made.visitor(cookie="; ".join(f"{name}={text}" for name, text in cookies.items()))
        assert browser.get("/me").json()["subject"] == "bob"
    with site(Client(client_id="web", strategy="session", carrier="cookie")) as made:
        assert made.person().get("/me").json()["subject"] == "ann"


HASTY = Client(
    client_id="hasty",
    strategy="hybrid",
    carrier="cookie",
    manage=True,
    lifetime=Lifetime(grace=timedelta(0)),
)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/me"), ("GET", "/v1/session"), ("POST", "/v1/session/refresh"), ("POST", "/step-up")],
)
def test_a_protected_application_may_be_mounted_in_a_protected_one(method: str, path: str) -> None:
    """A cookie is renewed once on the way; a second time would be reuse and end the session."""
    with site(HASTY) as made:
        outer = FastAPI()
        protect(outer, made.auth)
        outer.mount("/inner", made.app)
        browser = applications.holding(
            TestClient(outer, base_url=applications.HOST), made.open(client_id="hasty")
        )
        made.scene.advance(600)
        answer = browser.request(method, "/inner" + path)
        assert answer.status_code == 200, answer.text
        assert len(answer.headers.get_list("set-cookie")) == 2
        assert browser.get("/inner/me").json()["subject"] == "ann"
        assert "refresh_reused" not in drive(made.scene.kinds())


def test_functions_around_and_between_change_nothing() -> None:
    """Starlette runs what they wrap in a task group of its own, and streams its answer on."""

    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    async def stream(session: CurrentSession) -> Response:
        return StreamingResponse(iter([b"for ", session.subject.encode()]))

    async def fail() -> None:
        raise ZeroDivisionError

    with site(HASTY) as made:
        app = FastAPI()
        app.middleware("http")(passing)
        protect(app, made.auth)
        app.middleware("http")(passing)
        applications.endpoints(app)
        app.get("/stream")(stream)
        app.get("/fail")(fail)

        def client() -> TestClient:
            return TestClient(app, base_url=applications.HOST, raise_server_exceptions=False)

        assert code(client().get("/me")) == "credential_missing"
        browser = applications.holding(client(), made.open(client_id="hasty"))
        assert code(browser.get("/admin")) == "forbidden"
        for path, status, text in (("/stream", 200, "for ann"), ("/admin", 403, None)):
            made.scene.advance(600)
            answer = browser.get(path)
            assert (answer.status_code, answer.text) == (status, text or answer.text)
            assert len(answer.headers.get_list("set-cookie")) == 2
            assert answer.headers["cache-control"] == "no-store"
        made.scene.advance(600)
        failed = browser.get("/fail")
        assert (failed.status_code, failed.headers.get_list("set-cookie")) == (500, [])
        assert browser.get("/me").json()["subject"] == "ann"
