"""`Verifier.confirm` knows: at an application that mounts `IssuerApp` over a store."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from counterfoil import (
    BlockingCounterfoil,
    Client,
    Counterfoil,
    JwtStrategy,
    MemoryStore,
    SqliteStore,
    Verifier,
)
from counterfoil.drive import drive
from counterfoil.errors import (
    ClaimsStale,
    IssuerUnavailable,
    SessionRevoked,
    StoreUnavailable,
    SubjectSuspended,
    WrongAudience,
)
from counterfoil.integrations.issuer import IssuerApp
from scenes import KEYS
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.ports import Store

CONFIRM = "/v1/session?confirm=true"
CLIENTS = (
    Client(client_id="partner", strategy="jwt", audience="billing"),
    Client(client_id="api", strategy="hybrid", audience="billing"),
    Client(client_id="phone", strategy="session", audience="billing"),
    Client(client_id="web", strategy="session", carrier="cookie", audience="billing"),
    Client(client_id="other", strategy="session"),
)


@contextmanager
def issuing(
    path: str = "", *, store: Store | None = None, kind: Any = Counterfoil
) -> Iterator[Any]:
    """An application whose issuer has this path, with IssuerApp mounted there."""
    engines: list[Any] = []

    def app(url: str) -> Starlette:
        engines.append(
            kind(issuer=url + path, store=store or MemoryStore(), clients=CLIENTS, keys=KEYS)
        )
        return Starlette(routes=[Mount(path, IssuerApp(engines[0]))])

    with serving(app):
        yield engines[0]
        closing = engines[0].close()
        if closing is not None:
            drive(closing)


def verifier(auth: Any) -> Verifier:
    return Verifier(issuer=auth.issuer, audience="billing")


def ask(
    auth: Any, path: str = CONFIRM, *, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(urlsplit(auth.issuer).netloc, timeout=5)
    try:
        connection.request(method, path, headers=headers or {})
        got = connection.getresponse()
        return got.status, {k.lower(): v for k, v in got.getheaders()}, got.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["", "/auth"])
@pytest.mark.parametrize("client_id", ["partner", "api", "phone"])
def test_a_revocation_is_known_at_once_whatever_the_strategy(path: str, client_id: str) -> None:
    """Also of a plain JWT, which `check` accepts until it expires; and without any secret."""
    with issuing(path) as auth, verifier(auth) as ours:
        opened = drive(auth.open("user-17", client_id=client_id, claims={"roles": ["admin"]}))
        text = opened.credential.token
        confirmed = ours.confirm(text)
        assert (confirmed.subject, confirmed.client_id) == ("user-17", client_id)
        assert confirmed.roles == ("admin",)
        assert abs(confirmed.auth_time - opened.session.auth_time) < timedelta(seconds=1)
        drive(auth.revoke(opened.session.id))
        with pytest.raises(SessionRevoked):
            ours.confirm(text)
        if client_id == "partner":
            assert ours.check(text).subject == "user-17"


def test_suspension_and_changed_claims_are_known_too() -> None:
    """For `jwt` the roles of the answer are those of now; a hybrid token is stale."""
    with issuing() as auth, verifier(auth) as ours:
        plain, hybrid = (
            drive(auth.open("user-17", client_id=name)).credential.token
            for name in ("partner", "api")
        )
        drive(auth.claims_changed("user-17"))
        assert ours.confirm(plain).subject == "user-17"
        with pytest.raises(ClaimsStale):
            ours.confirm(hybrid)
        drive(auth.suspend("user-17"))
        for text in (plain, hybrid):
            with pytest.raises(SubjectSuspended):
                ours.confirm(text)


def test_a_blocking_engine_is_asked_in_a_thread_of_its_own(tmp_path: Path) -> None:
    """The loop that serves everybody else does not wait for its database."""
    asked = 0

    class Seen(BlockingCounterfoil):
        def confirm(self, presented: Any) -> Any:
            nonlocal asked
            asked += 1
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return super().confirm(presented)

    store = SqliteStore(tmp_path / "app.db")
    with issuing(store=store, kind=Seen) as auth, verifier(auth) as ours:
        opened = auth.open("user-17", client_id="partner")
        assert ours.confirm(opened.credential.token).subject == "user-17"
        auth.revoke(opened.session.id)
        with pytest.raises(SessionRevoked):
            ours.confirm(opened.credential.token)
    assert asked == 2
    drive(store.close())


def test_a_handle_of_another_audience_does_not_pass() -> None:
    """The issuer says whom it is for; its client's id does not have to be that."""
    with issuing() as auth, verifier(auth) as ours:
        assert ours.confirm(drive(auth.open("ann", client_id="phone")).credential.token)
        with pytest.raises(WrongAudience):
            ours.confirm(drive(auth.open("ann", client_id="other")).credential.token)


def test_the_answer_is_for_who_asked_and_nobody_else() -> None:
    """Not stored, and of no use to a page of another site."""
    with issuing() as auth:
        token = drive(auth.open("ann", client_id="partner")).credential.token
        status, headers, body = ask(auth, headers={"Authorization": f"Bearer {token}"})
        assert (status, headers["content-type"]) == (200, "application/json")
        assert headers["cache-control"] == "no-store"
        assert headers["vary"] == "Cookie, Authorization"
        assert "access-control-allow-origin" not in headers
        assert "etag" not in headers
        assert token.encode() not in body


@pytest.mark.parametrize("path", ["/v1/session", "/v1/session?confirm=true&x=y"])
def test_only_confirm_is_asked_here(path: str) -> None:
    """Nothing that could be mistaken for the check of a strategy."""
    with issuing() as auth:
        token = drive(auth.open("ann", client_id="partner")).credential.token
        status, _, body = ask(auth, path, headers={"Authorization": f"Bearer {token}"})
        assert (status, b'"malformed"' in body) == (400, True)
        assert ask(auth, method="POST")[0] == 405
        assert ask(auth, method="HEAD", headers={"Authorization": f"Bearer {token}"})[0] == 200


def test_a_cookie_is_not_read_here() -> None:
    """It is for the application's own pages; in a bearer header it is refused, too."""
    with issuing() as auth:
        handle = drive(auth.open("ann", client_id="web")).credential.token
        status, headers, body = ask(auth, headers={"Cookie": f"__Host-cf_web={handle}"})
        assert (status, b'"credential_missing"' in body) == (401, True)
        assert "www-authenticate" in headers
        status, _, body = ask(auth, headers={"Authorization": f"Bearer {handle}"})
        assert (status, b'"credential_malformed"' in body) == (401, True)


def test_without_a_store_there_is_nothing_to_ask() -> None:
    """No record knows better than the token; the verifier says what is missing."""

    def app(url: str) -> IssuerApp:
        engines.append(Counterfoil(issuer=url, strategy=JwtStrategy(audience="billing"), keys=KEYS))
        return IssuerApp(engines[0])

    engines: list[Counterfoil] = []
    with serving(app), verifier(engines[0]) as ours:
        token = drive(engines[0].open("ann")).credential.token
        assert ours.check(token).subject == "ann"
        with pytest.raises(IssuerUnavailable, match="over a store"):
            ours.confirm(token)


def test_a_store_that_is_away_is_503_and_not_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verifier raises the same error."""
    with issuing() as auth, verifier(auth) as ours:
        token = drive(auth.open("ann", client_id="partner")).credential.token

        async def silent(*_: object) -> None:
            raise StoreUnavailable

        monkeypatch.setattr(MemoryStore, "look_up", silent)
        with pytest.raises(StoreUnavailable):
            ours.confirm(token)
