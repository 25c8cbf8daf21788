"""`protect`: one line for an application."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

import verifying
from applications import code, site
from counterfoil import BlockingCounterfoil, Client, MemoryStore, SessionStrategy
from counterfoil.errors import ConfigurationError
from counterfoil.integrations.asgi import AuthMiddleware
from counterfoil.integrations.fastapi import protect
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
