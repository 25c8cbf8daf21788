"""What a proxy can ask `/v1/check`, and what is not understood."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.server.tables.clients import ClientRows
from server.checking import PAGE, asked, told

if TYPE_CHECKING:
    import live


@pytest.fixture(scope="module")
def web(trusting: live.Site) -> live.Device:
    return trusting.person().sign_in("web")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "audience=",
        "audience",
        "Audience=web",
        "aud=web",
        "audience=web&audience=web",
        "audience=web&audience=api",
        "audience=web&rol=admin",
        "audience=web&role=",
        "audience=web&role=a,b",
        "audience=web&role=a&role=b",
        "audience=web&role=%C3%A9",
        "audience=web&login=yes",
        "audience=web&login=",
        "audience=web&client_id=api",
        "audience=web&client_id=",
        "audience=spa&login=redirect",  # the pages sign in to web: it would go in circles
        "audience=%ff",
        "&audience=web&&x",
    ],
)
def test_a_question_that_is_not_understood_is_400(trusting: live.Site, query: str) -> None:
    """Whoever asks, so that it is found while the proxy is set up; never an answer to something
    else."""
    for device in (trusting, trusting.person().sign_in("web")):
        answer = asked(device, query)
        assert answer.status == 400
        assert answer.code in {"malformed", "client_unknown"}


@pytest.mark.parametrize("audience", ["nobody", "WEB", "web%20", "web;role=admin"])
def test_nothing_is_good_for_an_audience_that_no_client_has(
    trusting: live.Site, audience: str
) -> None:
    """401, as for any wrong audience, and it says that the proxy may be what is wrong."""
    for device in (trusting, trusting.person().sign_in("web")):
        answer = asked(device, f"audience={audience}")
        assert (answer.status, answer.code) == (401, "wrong_audience")
        assert "No registered client" in answer.json["detail"]


def test_the_audience_is_asked_for_with_a_reason(site: live.Site) -> None:
    """A proxy before one application must not let in credentials of another."""
    assert "other applications" in asked(site, "").json["detail"]


def test_an_audience_is_read_as_it_was_encoded(trusting: live.Site) -> None:
    """It may be a URL."""
    device = trusting.person().sign_in("far")
    encoded = "https%3A%2F%2Ffar.example%2Fa%2Bb"
    assert asked(device, f"audience={encoded}").status == 200
    assert asked(device, "audience=https://far.example/a%2Bb").status == 200
    assert asked(device, "audience=https://far.example/a+b").status == 401
    assert asked(device, "", path=f"/v1/check/as-sent/{encoded}/x").status == 200
    assert asked(device, "", path="/v1/check/as-sent/https://far.example/a+b").status == 401


def test_the_audience_says_whose_cookie_counts(site: live.Site) -> None:
    """A browser that is signed in to two applications sends both cookies."""
    person = site.person()
    web, spa = person.sign_in("web"), person.sign_in("spa")
    both = {"Cookie": f"{spa.headers()['Cookie']}; {web.headers()['Cookie']}"}
    for audience in ("web", "spa"):
        assert told(asked(site, f"audience={audience}", both))["x-auth-client"] == audience


def test_where_two_cookie_clients_share_an_audience_one_is_named(trusting: live.Site) -> None:
    """Without a name two cookies are ambiguous."""
    person = trusting.person()
    kiosk, twin = person.sign_in("kiosk"), person.sign_in("twin")
    both = {"Cookie": f"{kiosk.headers()['Cookie']}; {twin.headers()['Cookie']}"}
    assert asked(trusting, "audience=kiosk", both).code == "malformed"
    assert asked(twin, "audience=kiosk").status == 200
    for client_id in ("kiosk", "twin"):
        answer = asked(trusting, f"audience=kiosk&client_id={client_id}", both)
        assert told(answer)["x-auth-client"] == client_id


def test_clients_that_come_later_are_known(trusting: live.Site) -> None:
    """Questions are kept, but not beyond the clients that they were about."""
    assert trusting.server is not None
    rows = ClientRows(trusting.server.store.blocking().rows, trusting.server.settings.lifetime)
    asks = "audience=shop"
    assert asked(trusting, asks).status == 401
    for client_id in ("shop", "shop-too"):
        client = Client(client_id=client_id, strategy="session", carrier="cookie", audience="shop")
        drive(rows.add(client, at=datetime.now(UTC), own_lifetime=True))
        device = trusting.person().sign_in(client_id)
        assert told(asked(device, asks))["x-auth-client"] == client_id


# As sent: the audience is in the path.


@pytest.mark.parametrize("query", ["", "audience=api", "role=admin&login=redirect", "%", "x&x&x"])
def test_the_query_of_a_request_as_sent_is_the_clients(web: live.Device, query: str) -> None:
    """It asks for nothing, whatever it says."""
    assert asked(web, query, path="/v1/check/as-sent/web/orders").status == 200
    answer = asked(web.site, query, PAGE, path="/v1/check/as-sent/web/orders")
    assert (answer.status, answer.code) == (401, "credential_missing")


@pytest.mark.parametrize(
    "path", ["/", "//web", "/nobody/x", "/web%2Fx", "/web%00/x", "/web;x/y", "/../web/x"]
)
def test_an_audience_as_sent_is_one_segment(web: live.Device, path: str) -> None:
    """What is no audience is refused: the prefix in the proxy is wrong."""
    assert asked(web, "", path=f"/v1/check/as-sent{path}").status == 401


@pytest.mark.parametrize("path", ["/v1/check/", "/v1/check/web", "/v1/check/as-sent", "/v1/checks"])
def test_beside_these_addresses_nothing_is_checked(web: live.Device, path: str) -> None:
    """A misspelt address answers no check."""
    assert asked(web, "audience=web", path=path).status == 404
