"""What docs/proxies.md prints for proxies that Debian has not, and what all its pages agree on."""

from __future__ import annotations

import re
import shutil
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]  # it brings no types

import live
from counterfoil.server.pages import routes
from proxies import running
from proxies.application import application

if TYPE_CHECKING:
    from pathlib import Path

PAGE = running.PAGE.read_text(encoding="utf-8")
TOLD = {"x-auth-subject", "x-auth-session", "x-auth-client", "x-auth-roles"}
OWN = [
    "/v1/session",
    "/oauth/token",
    "/.well-known/jwks.json",
    "/counterfoil/static/x.css",
    "/login",
    "/logout",
    "/register",
    "/account",
    "/account/password",
]
ANOTHERS = [
    "/",
    "/v1",
    "/v1x/",
    "/logins",
    "/login/x",
    "/accounts",
    "/x/v1/",
    "/well-known/",
    "/admin",
]


def envoy() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(running.printed("yaml", "Envoy"))
    return found


def manager() -> dict[str, Any]:
    chain = envoy()["static_resources"]["listeners"][0]["filter_chains"][0]
    found: dict[str, Any] = chain["filters"][0]["typed_config"]
    return found


def names(patterns: dict[str, Any]) -> set[str]:
    return {each["exact"] for each in patterns["patterns"]}


def test_envoy_asks_before_it_routes_and_closes_when_it_cannot() -> None:
    """The check stands before the router, fails closed, and is passed what it needs."""
    check, router = manager()["http_filters"]
    assert router["name"] == "envoy.filters.http.router"
    config = check["typed_config"]
    assert config["failure_mode_allow"] is False
    assert names(config["allowed_headers"]) == {
        "cookie",
        "origin",
        "sec-fetch-site",
        "sec-websocket-key",
    }
    service = config["http_service"]
    assert service["path_prefix"] == "/v1/check/as-sent/web"
    assert names(service["authorization_response"]["allowed_upstream_headers"]) == TOLD
    common = manager()["common_http_protocol_options"]
    assert common["headers_with_underscores_action"] == "REJECT_REQUEST"


def test_envoy_leaves_out_the_check_only_where_counterfoil_answers() -> None:
    """By one route, which leads to no application."""
    own, rest = manager()["route_config"]["virtual_hosts"][0]["routes"]
    assert own["route"] == {"cluster": "counterfoil"}
    assert own["typed_per_filter_config"]["envoy.filters.http.ext_authz"]["disabled"] is True
    regex = own["match"]["safe_regex"]["regex"]
    assert all(re.fullmatch(regex, path) for path in OWN)
    assert not any(re.fullmatch(regex, path) for path in ANOTHERS)
    assert rest == {"match": {"prefix": "/"}, "route": {"cluster": "application"}}


def test_envoy_verifies_tokens_with_their_issuer_audience_and_end() -> None:
    """By the published keys, and from one header."""
    section = PAGE.partition("\n## A proxy that verifies JWTs itself\n")[2].partition(
        "\n### Envoy"
    )[2]
    block = re.search(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert block
    (config,) = yaml.safe_load(block[1])
    (provider,) = config["typed_config"]["providers"].values()
    assert provider["issuer"]
    assert provider["audiences"] == ["partner"]
    assert provider["require_expiration"] is True
    assert provider["clock_skew_seconds"] == 1
    assert [each["name"] for each in provider["from_headers"]] == ["Authorization"]
    uri = provider["remote_jwks"]["http_uri"]["uri"]
    assert uri == provider["issuer"] + "/.well-known/jwks.json"
    (rule,) = config["typed_config"]["rules"]
    assert rule["match"] == {"prefix": "/"}


def test_traefik_asks_for_everything_but_counterfoils_own() -> None:
    """The check is part of the only router that leads to the application."""
    static, dynamic = (
        tomllib.loads(block)
        for block in re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    )
    assert static["entryPoints"]["web"]["http"] == {"aliasHeadersStrategy": "delete"}
    http = dynamic["http"]
    auth = http["middlewares"]["counterfoil"]["forwardAuth"]
    assert {name.lower() for name in auth["authResponseHeaders"]} == TOLD
    assert "trustForwardHeader" not in auth
    own, application_ = http["routers"]["counterfoil"], http["routers"]["application"]
    assert (own["service"], "middlewares" in own) == ("counterfoil", False)
    assert (application_["service"], application_["middlewares"]) == (
        "application",
        ["counterfoil"],
    )
    assert own["priority"] > application_["priority"]
    prefixes = re.findall(r"PathPrefix\(`(.*?)`\)", own["rule"])
    exact = re.findall(r"Path\(`(.*?)`\)", own["rule"])
    assert all(path in exact or path.startswith(tuple(prefixes)) for path in OWN)
    assert not any(path in exact or path.startswith(tuple(prefixes)) for path in ANOTHERS)


def test_all_pages_of_the_server_are_counterfoils_own() -> None:
    """Whatever the server shows to people is named on the page, and so in each configuration."""
    prefixes = ("/v1/", "/oauth/", "/.well-known/", "/counterfoil/", "/account/")
    exact = {"/login", "/logout", "/register", "/account"}
    paths = {str(getattr(route, "path", "")) for route in routes.ROUTES}
    shown = {path for path in paths if "{rest" not in path}  # only say that nothing is there
    assert [path for path in shown if path not in exact and not path.startswith(prefixes)] == []
    told = re.search(r"these of its paths are Counterfoil's: (.*?)\. With", PAGE, re.DOTALL)
    assert told
    assert set(re.findall(r"`(.*?)`", told[1])) == {*prefixes} - {"/account/"} | exact


@pytest.mark.parametrize("name", ["envoy", "traefik"])
def test_a_proxy_that_happens_to_be_installed_closes_and_opens(name: str, tmp_path: Path) -> None:
    """Debian has neither, so CI does not run this; where one is installed, it is held to the
    least."""
    program = shutil.which(name, path=running.PROGRAMS)
    if program is None:
        pytest.skip(
            f"Debian has no {name}, and it is not installed here: its configuration is only parsed"
        )
    with (
        running.reserved() as public,
        application() as behind,
        live.serving(
            tmp_path / "data",
            issuer=f"http://localhost:{public}",
            trusted_proxies=("127.0.0.1",),
        ) as site,
    ):
        ports = running.Ports(public, site.port, behind.port)
        command = running.command_of(name, tmp_path, ports)
        with running.running(command, tmp_path, public):
            through = live.Site(public, site.data, site.demo_password, site.server)
            person = through.person()
            web = person.sign_in("web")
            assert through.call("GET", "/x").status in {302, 401}
            assert through.call("GET", "/x", headers={"X-Auth-Subject": "x"}).status != 200
            cross = {"Sec-Fetch-Site": "cross-site"}
            assert web.call("POST", "/x", b"x", headers=cross).status == 403
            assert behind.seen == []
            assert web.call("GET", "/x", headers={**cross, "X-Auth-Subject": "x"}).status == 200
            assert {seen.subject for seen in behind.seen} == {person.subject}
