"""Clients: complete or refused, in one sentence that says what to change."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import pytest

from counterfoil import Client, HybridStrategy, JwtStrategy, SessionStrategy
from counterfoil.errors import ConfigurationError


def test_a_client_is_its_own_audience_and_may_not_manage() -> None:
    """Unless it is said otherwise."""
    client = Client(client_id="api", strategy="hybrid")
    assert client.audience == "api"
    assert client.max_staleness == timedelta(seconds=10)
    assert (client.carrier, client.algorithm, client.typ) == ("bearer", "ES256", "at+jwt")
    assert not client.manage
    assert Client(client_id="api", strategy="jwt", audience="https://x.example").audience[-1] == "e"


def test_only_session_clients_are_issued_the_handle_itself() -> None:
    """`jwt` and `hybrid` sign."""
    signing = [s for s in ("session", "jwt", "hybrid") if Client(client_id="a", strategy=s).signs]
    assert signing == ["jwt", "hybrid"]


@pytest.mark.parametrize(
    "settings",
    [
        {"client_id": ""},
        {"client_id": "Web"},
        {"client_id": "-web"},
        {"client_id": "a" * 33},
        {"client_id": "web\n"},
        {"client_id": "wéb"},
        {"client_id": "a;b"},
        {"strategy": "opaque"},
        {"carrier": "query"},
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"audience": "a b"},
        {"audience": "a" * 256},
        {"audience": "a\r\nb"},
        {"typ": ""},
        {"typ": "at+jwt; v=1"},
        {"typ": 'at"jwt'},
        {"max_staleness": timedelta(0)},
        {"max_staleness": timedelta(seconds=60, microseconds=1)},
        {"max_staleness": timedelta(seconds=-1)},
        {"max_staleness": 10},
        {"audience": ["api", "web"]},
        {"client_id": 7},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    """A client_id is part of a cookie's name, and a staleness below 1 or above 60 s no promise."""
    with pytest.raises(ConfigurationError) as refused:
        Client(**{"client_id": "api", "strategy": "hybrid", **settings})
    assert str(refused.value).count(".") >= 1


def test_a_client_cannot_be_changed_behind_the_engine() -> None:
    """It is a value."""
    client = Client(client_id="api", strategy="hybrid")
    with pytest.raises(FrozenInstanceError):
        client.manage = True  # type: ignore[misc]


def test_a_strategy_in_short_is_one_client() -> None:
    """`strategy=` names the client after its audience, or the application `app`."""
    assert SessionStrategy().client() == Client(
        client_id="app", strategy="session", carrier="cookie", manage=True
    )
    hybrid = HybridStrategy(audience="api", max_staleness=timedelta(seconds=2)).client()
    assert (hybrid.client_id, hybrid.audience, hybrid.strategy) == ("api", "api", "hybrid")
    assert hybrid.max_staleness == timedelta(seconds=2)
    jwt = JwtStrategy(audience="https://api.example", client_id="partner").client()
    assert (jwt.client_id, jwt.audience, jwt.strategy) == ("partner", "https://api.example", "jwt")
    assert not jwt.manage


def test_an_audience_that_makes_no_client_id_needs_one_beside_it() -> None:
    """A URL cannot be part of a cookie's name."""
    with pytest.raises(ConfigurationError, match="client_id"):
        JwtStrategy(audience="https://api.example").client()
