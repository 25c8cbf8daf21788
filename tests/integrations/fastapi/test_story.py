"""An application on real sockets, beside the standalone server on the same sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Response

import live
import serving
from counterfoil import Counterfoil, HybridStrategy, SqliteStore
from counterfoil.drive import drive
from counterfoil.integrations.fastapi import (
    CurrentSession,
    protect,
    requires,
    session_routes,
    sign_in_response,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_THE_WAY = {"date", "server", "x-request-id"}
CROSS = {"Sec-Fetch-Site": "cross-site"}
NOW = re.compile(rb'("as_of":"|"elsewhere_within_seconds":)[^",}]+')  # what a second changes


def at(url: str, data: Path) -> live.Site:
    port = urlsplit(url).port
    assert port is not None
    return live.Site(port, data, None)


def test_the_whole_of_a_session_in_an_application(tmp_path: Path) -> None:
    """Sign in, ask, refresh, list, end the other, sign out; and refused from then on."""
    stores = []

    def made(url: str) -> FastAPI:
        stores.append(SqliteStore(tmp_path / "app.db"))
        auth = Counterfoil(
            store=stores[0],
            issuer=url,
            strategy=HybridStrategy(audience="app"),
            claims=lambda subject: ["admin"] if subject == "root" else [],
        )
        app = FastAPI()
        protect(app, auth)
        app.include_router(session_routes(auth))

        @app.post("/sign-in/{subject}")
        async def sign_in(subject: str) -> Response:
            return sign_in_response(await auth.open(subject, device="a browser"))

        @app.get("/me")
        async def me(session: CurrentSession) -> str:
            return session.subject

        @app.get("/admin", dependencies=[requires("admin")])
        def admin(session: CurrentSession) -> str:
            return session.subject

        return app

    with serving.serving(made) as url:
        site = at(url, tmp_path)
        people = [
            live.Device(live.Person(site, name, "", name), "app", "") for name in ("ann", "root")
        ]
        for device in people:
            answer = site.call("POST", f"/sign-in/{device.person.subject}")
            assert answer.status == 201
            device.keep(answer)
        ann, root = people
        assert [ann.call("GET", "/me").json, root.call("GET", "/admin").json] == ["ann", "root"]
        assert ann.call("GET", "/admin").code == "forbidden"
        assert ann.refresh().status == 200
        assert ann.who().json["subject"] == "ann"
        ann.keep(site.call("POST", "/sign-in/ann"))
        devices = ann.call("GET", "/v1/sessions").json["sessions"]
        assert [each["device"] for each in devices] == ["a browser", "a browser"]
        assert ann.call("DELETE", "/v1/sessions?keep=current").json["revoked"] == 1
        token = ann.token
        assert ann.sign_out().json["revoked"] == 1
        answer = site.call("GET", "/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status, answer.code) == (401, "session_revoked")
        assert root.call("GET", "/me").status == 200
    drive(stores[0].close())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    with live.serving(tmp_path_factory.mktemp("server") / "data") as site:
        yield site


@pytest.fixture(scope="module")
def application(server: live.Site) -> Iterator[live.Site]:
    """An application over the same database, keys, issuer and clients."""
    assert server.server is not None
    auth = Counterfoil(
        store=SqliteStore(server.server.settings.database),
        issuer=server.url,
        clients=dict(server.server.clients),
        claims=lambda _: [],
    )
    app = FastAPI()
    protect(app, auth)
    app.include_router(session_routes(auth))
    with serving.serving(lambda _: app) as url:
        yield at(url, server.data)
    drive(auth.close())


def told(answer: live.Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """The answer in order, but for what belongs to the way, and for the moment of the check."""
    kept = [(name, text) for name, text in answer.headers if name.lower() not in OF_THE_WAY]
    return answer.status, kept, NOW.sub(rb"\1", answer.raw)


@pytest.mark.parametrize("client_id", ["web", "spa", "kiosk", "phone", "api", "partner"])
def test_answers_are_those_of_the_server_byte_for_byte(
    server: live.Site, application: live.Site, client_id: str
) -> None:
    """What is read, and every refusal: one code makes both."""
    device = server.person().sign_in(client_id)
    asked: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", "/v1/session", None, device.headers()),
        ("GET", "/v1/sessions", None, device.headers()),
        ("GET", "/v1/session", None, {}),
        ("GET", "/v1/session?more=1", None, device.headers()),
        ("GET", "/v1/session", None, {"Authorization": "Basic eDp5"}),
        ("DELETE", "/v1/sessions/nothing", None, device.headers()),
        ("DELETE", "/v1/sessions?keep=other", None, device.headers()),
        ("DELETE", "/v1/sessions/nothing", None, {**device.headers(), **CROSS}),
        ("POST", "/v1/session/refresh", {"refresh_handle": "cf_"}, {}),
        ("POST", "/v1/session/refresh", b"[", {}),
    ]
    for method, path, body, headers in asked:
        first, second = (site.call(method, path, body, headers) for site in (server, application))
        assert told(first) == told(second), (method, path)


@pytest.mark.parametrize("client_id", ["phone", "api", "partner"])
def test_a_session_that_ended_at_one_has_ended_at_both(
    server: live.Site, application: live.Site, client_id: str
) -> None:
    """And both say so in the same bytes, to a repeat too."""
    device = server.person().sign_in(client_id)
    assert application.call("DELETE", "/v1/session", headers=device.headers()).json["revoked"] == 1
    again = [
        site.call("DELETE", "/v1/session", headers=device.headers())
        for site in (server, application)
    ]
    assert told(again[0]) == told(again[1])
    assert again[0].json["revoked"] == 0


def test_a_refresh_is_the_same_at_both(server: live.Site, application: live.Site) -> None:
    """Within grace a spent handle gets the same successor, in the same bytes."""
    device = server.person().sign_in("phone")
    sent = {"refresh_handle": device.token}
    first, second = (
        site.call("POST", "/v1/session/refresh", sent) for site in (server, application)
    )
    assert told(first) == told(second)
    assert first.status == 200
