"""The carriers of an engine's clients: what requests present, and the cookies of answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import Client, Presented
from counterfoil.carriers.clients import ClientCarriers
from counterfoil.errors import (
    ConfigurationError,
    CredentialExpired,
    CredentialMalformed,
    CredentialMissing,
    CrossSite,
    Malformed,
)
from scenes import API, CLIENTS, ISSUER, SPA, WEB, Scene, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil import Opened

CARRIERS = ClientCarriers({each.client_id: each for each in CLIENTS}, issuer=ISSUER)
BEARER = (b"authorization", b"Bearer a.b.c")
CROSS = (b"sec-fetch-site", b"cross-site")
OWN = (b"sec-fetch-site", b"same-origin")


def cookie(text: str) -> tuple[bytes, bytes]:
    return b"cookie", text.encode()


WEB_COOKIE = cookie("__Host-cf_web=cf_a")
SPA_COOKIES = cookie("__Host-cf_spa=a.b.c; __Host-cf_spa_r=cf_b")
LEFT = cookie("__Host-cf_spa_r=cf_b")


@pytest.fixture
def played() -> Iterator[Scene]:
    with scene() as made:
        yield made


def opened(played: Scene, client_id: str) -> Opened:
    return asyncio.run(played.open("ann", client_id))


# What requests present.


def test_a_request_presents_its_header_or_else_its_cookie() -> None:
    """The header first and alone; None without either."""
    assert CARRIERS.find("GET", [WEB_COOKIE, BEARER]) == Presented("a.b.c", "bearer")
    assert CARRIERS.find("GET", [WEB_COOKIE]) == Presented("cf_a", "cookie", "web")
    assert CARRIERS.find("GET", [cookie("theme=dark")]) is None
    with pytest.raises(CredentialMissing):
        CARRIERS.require("GET", [])


def test_of_several_cookies_the_named_clients_counts() -> None:
    """Without a name nobody knows whose request it is."""
    headers = [cookie("__Host-cf_web=cf_a; __Host-cf_spa=a.b.c; __Host-cf_spa_r=cf_b")]
    for name, text in (("web", "cf_a"), ("spa", "a.b.c")):
        assert CARRIERS.require("GET", headers, client_id=name).text == text
    assert CARRIERS.find("GET", headers, client_id="api") is None
    with pytest.raises(Malformed):
        CARRIERS.find("GET", headers)


@pytest.mark.parametrize(
    "read",
    [CARRIERS.find, CARRIERS.require, CARRIERS.require_ending],
    ids=lambda each: each.__name__,
)
def test_a_cookie_counts_only_where_no_other_site_sent_it(read: Any) -> None:
    """Every way of reading one refuses an unsafe method from elsewhere; a header is no matter."""
    assert read("POST", [WEB_COOKIE, OWN]).client_id == "web"
    assert read("GET", [WEB_COOKIE, CROSS]).client_id == "web"
    assert read("POST", [BEARER, CROSS]).carrier == "bearer"
    for method in ("POST", "DELETE", "WEBSOCKET"):
        with pytest.raises(CrossSite):
            read(method, [WEB_COOKIE, CROSS])


def test_the_refresh_cookie_counts_only_where_no_other_site_sent_it() -> None:
    """Alone and beside the other one."""
    for headers in ([LEFT], [SPA_COOKIES]):
        assert CARRIERS.require_handle("POST", [*headers, OWN]).text == "cf_b"
        with pytest.raises(CrossSite):
            CARRIERS.require_handle("POST", [*headers, CROSS])
    with pytest.raises(CrossSite):
        CARRIERS.require_ending("POST", [LEFT, CROSS])


def test_the_handle_is_the_refresh_cookie_or_the_session_itself() -> None:
    """A bearer header beside it is a request that says two things."""
    assert CARRIERS.require_handle("GET", [SPA_COOKIES]) == Presented("cf_b", "cookie", "spa")
    assert CARRIERS.require_handle("GET", [WEB_COOKIE]) == Presented("cf_a", "cookie", "web")
    with pytest.raises(CredentialMissing):
        CARRIERS.require_handle("GET", [])
    with pytest.raises(Malformed):
        CARRIERS.require_handle("GET", [SPA_COOKIES, BEARER])
    with pytest.raises(CredentialMalformed):
        CARRIERS.require_handle("GET", [(b"authorization", b"Basic YTpi"), SPA_COOKIES])


def test_a_handle_is_enough_to_sign_out_with() -> None:
    """Where the browser has dropped the token, the session can be ended all the same."""
    with pytest.raises(CredentialExpired):
        CARRIERS.require("GET", [LEFT])
    assert CARRIERS.require_ending("GET", [LEFT]).text == "cf_b"
    assert CARRIERS.require_ending("GET", [SPA_COOKIES]).text == "a.b.c"
    assert CARRIERS.require_ending("GET", [BEARER, LEFT]).carrier == "bearer"
    with pytest.raises(CredentialMissing):
        CARRIERS.require_ending("GET", [])


# Whose site it is.


def test_the_issuers_origin_is_the_sites_own_and_others_are_named() -> None:
    """By scheme, host and port, whatever the issuer's path."""
    carriers = ClientCarriers(
        {}, issuer="https://app.example:8443/auth", origins=["https://b.example"]
    )
    for own in (b"https://app.example:8443", b"https://b.example"):
        carriers.refuse_cross_site("POST", [(b"origin", own)])
    for other in (b"https://app.example", b"http://app.example:8443", b"null"):
        with pytest.raises(CrossSite):
            carriers.refuse_cross_site("POST", [(b"origin", other)])


@pytest.mark.parametrize(
    "origins",
    [
        "https://www.example",
        ["www.example"],
        ["https://www.example/"],
        ["https://www.example/app"],
        ["https://www.example:443"],
        ["http://www.example:80"],
        ["https://WWW.example"],
        ["https://ann@www.example"],
        ["https://*.example"],
        ["https://www.example?"],
        ["https://www.example:x"],
        ["https://www.example:70000"],
        ["https://[1:2]"],
        ["https://"],
        ["ws://www.example"],
        ["*"],
        ["null"],
        [""],
        [None],
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_when_it_is_named(origins: Any) -> None:
    """It would let nobody in, and whoever wrote it would look for the fault elsewhere."""
    with pytest.raises(ConfigurationError, match="origins"):
        ClientCarriers({}, issuer=ISSUER, origins=origins)


def test_origins_are_those_of_a_browsers_header() -> None:
    """With a port where it is not the scheme's own, on loopback over http too."""
    given = ["https://www.example", "http://localhost:3000", "http://[::1]:8000", "https://a:8443"]
    assert ClientCarriers({}, issuer=ISSUER, origins=given).origins == {ISSUER, *given}
    for issuer in ("https://APP.example", "https://app.example:443/auth"):
        assert ClientCarriers({}, issuer=issuer).origins == {"https://app.example"}
    own = ClientCarriers({}, issuer="http://[::1]:8000").origins
    assert own == {"http://[::1]:8000"}


# Clients that come and go.


def test_clients_that_are_added_are_known_at_once() -> None:
    """A live mapping is followed, and one that goes is forgotten."""
    clients: dict[str, Client] = {}
    carriers = ClientCarriers(clients, issuer=ISSUER)
    assert carriers.find("GET", [WEB_COOKIE]) is None
    clients["web"] = WEB
    assert carriers.require("GET", [WEB_COOKIE]).client_id == "web"
    assert carriers.cookies is carriers.cookies
    del clients["web"]
    assert carriers.find("GET", [WEB_COOKIE]) is None


def test_clients_whose_cookies_would_have_one_name_are_refused_at_once() -> None:
    """When it is built, not when the first of them signs in."""
    both = {
        "a": Client(client_id="a", strategy="jwt", carrier="cookie"),
        "a_r": Client(client_id="a_r", strategy="session", carrier="cookie"),
    }
    with pytest.raises(ConfigurationError, match="Rename the client"):
        ClientCarriers(both, issuer=ISSUER)


# What answers set.


@pytest.mark.parametrize("client", [WEB, SPA], ids=lambda client: client.client_id)
def test_a_cookie_client_is_handed_its_credential_in_cookies(played: Scene, client: Client) -> None:
    """And they are read again as what was issued."""
    issued = opened(played, client.client_id)
    lines = [value for _, value in CARRIERS.set_cookies(issued, now=played.now)]
    assert len(lines) == (2 if client.signs else 1)
    sent = [(b"cookie", b"; ".join(line.partition(b";")[0] for line in lines))]
    assert CARRIERS.require("GET", sent).text == issued.credential.token
    handle = issued.credential.refresh_handle or issued.credential.token
    assert CARRIERS.require_handle("GET", sent).text == handle


def test_a_sign_out_clears_every_cookie_of_its_client() -> None:
    """The refresh cookie too, where there is one."""
    for client in (WEB, SPA):
        lines = [value for _, value in CARRIERS.clear_cookies(client.client_id)]
        assert len(lines) == (2 if client.signs else 1)
        assert all(b"=; Max-Age=0; " in line for line in lines)


def test_bearer_clients_have_no_cookies(played: Scene) -> None:
    """Nor has a client that is not there."""
    assert CARRIERS.set_cookies(opened(played, API.client_id), now=played.now) == []
    for client_id in (API.client_id, "nobody", None):
        assert CARRIERS.clear_cookies(client_id) == []
