"""Set-ups that cannot work are refused when they are built, in one sentence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from counterfoil import (
    Client,
    Counterfoil,
    HybridStrategy,
    JwtStrategy,
    MemoryStore,
    SessionStrategy,
)
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from scenes import API, ISSUER, KEYS, PARTNER, WEB


def built(**settings: Any) -> Counterfoil:
    settings = {"issuer": ISSUER, "keys": KEYS, "store": MemoryStore(), **settings}
    return Counterfoil(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clients": []},
        {"clients": [API, API]},
        {"clients": [API], "strategy": HybridStrategy(audience="api")},
        {"strategy": SessionStrategy(), "store": None},
        {"strategy": HybridStrategy(audience="api"), "store": None},
        {"clients": [PARTNER, WEB], "store": None},
        {"strategy": JwtStrategy(audience="api"), "store": None, "keys": None},
        {"clients": [API], "window": timedelta(seconds=59)},
        {"clients": [API], "window": timedelta(days=1, seconds=1)},
        {"clients": [API], "window": timedelta(0)},
        {"clients": {"other": API}},
        {"clients": {"api": API}, "strategy": SessionStrategy()},
        {"clients": API},
        {"clients": [SessionStrategy()]},
        {"clients": "api"},
        {"clients": 7},
        {"strategy": SessionStrategy},
        {"strategy": "session"},
        {"strategy": SessionStrategy(), "store": "app.db"},
        {"strategy": SessionStrategy(), "store": MemoryStore},
        {"clients": [API], "claims": {"ann": ["admin"]}},
        {"clients": [API], "window": 3600},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_at_once(settings: dict[str, Any]) -> None:
    """Not at the first sign-in. (Nothing to serve, two of one name, no store, no keys, a window
    that no list can cover, a mapping that disagrees with itself; a class or a text where a thing
    is wanted, and a number where a duration is.)."""
    with pytest.raises(ConfigurationError) as refused:
        built(**settings)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://app.example",
        "https://app.example:8443",
        "https://app.example/auth",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://[::1]:8000",
    ],
)
def test_an_issuer_is_https_or_on_loopback(issuer: str) -> None:
    """With a path, if that is where it lives."""
    assert built(issuer=issuer, clients=[WEB]).issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "app.example",
        "http://app.example",
        "http://localhost.example",
        "http://127.0.0.1.nip.example",
        "ftp://app.example",
        "https://",
        "https://app.example/",
        "https://app.example?x=1",
        "https://app.example#x",
        "https://app.example?",
        "https://ann@app.example",
        "https://app.example:99999",
        "https://app.example:0",
        "https://app example",
        "HTTPS://app.example",
        "https://App.example",
        "https://äpp.example",
        "https://app.example\n",
        "https://[::1",
    ],
)
def test_any_other_issuer_is_refused(issuer: str) -> None:
    """Verifiers compare it letter by letter, and fetch from it."""
    with pytest.raises(ConfigurationError):
        built(issuer=issuer, clients=[WEB])


async def test_an_issuer_too_long_for_a_token_is_refused_at_once() -> None:
    """Not by the first sign-in, after its session has been committed. `iss` and the URI of a
    status list are at most 255 characters."""
    long = "https://app.example/" + "x" * 180
    auth = built(issuer=long, clients=[API])
    opened = await auth.open("ann")
    assert (await auth.check(opened.credential.token)).subject == "ann"
    await auth.close()
    for more in ("x" * 40, "x" * 60):
        with pytest.raises(ConfigurationError, match="issuer"):
            built(issuer=long + more, clients=[API])


def test_the_parts_can_be_asked_for() -> None:
    """Integrations are built from them."""
    store = MemoryStore()
    auth = built(store=store, clients=[WEB, API])
    assert auth.issuer == ISSUER
    assert dict(auth.clients) == {"web": WEB, "api": API}
    assert (auth.keys, auth.store) == (KEYS, store)
    assert auth.clock.now().tzinfo is not None
    assert auth.clock.uptime() <= auth.clock.uptime()


def test_strategy_and_clients_may_be_given_together() -> None:
    """`strategy=` is one client more."""
    auth = built(strategy=SessionStrategy(), clients=[API])
    assert set(auth.clients) == {"app", "api"}


def test_keys_default_to_those_beside_the_store() -> None:
    """One set for each store."""
    store = MemoryStore()
    one = Counterfoil(issuer=ISSUER, store=store, clients=[WEB])
    two = Counterfoil(issuer=ISSUER, store=store, clients=[WEB])
    assert one.keys is two.keys


def test_closing_twice_does_nothing() -> None:
    """Also before anything was checked."""
    auth = built(clients=[API])
    drive(auth.close())
    drive(auth.close())


async def test_one_engine_serves_clients_of_every_algorithm() -> None:
    """Keys of all three are there without waiting."""
    clients = [
        Client(client_id="es", strategy="hybrid", algorithm="ES256"),
        Client(client_id="rs", strategy="jwt", algorithm="RS256"),
        Client(client_id="ed", strategy="hybrid", algorithm="EdDSA", typ="JWT"),
    ]
    auth = built(clients=clients)
    for client in clients:
        opened = await auth.open("ann", client_id=client.client_id)
        assert (await auth.check(opened.credential.token)).client_id == client.client_id
    await auth.close()
