"""Other people's OAuth libraries introspect, refresh and revoke at the real server.

Authlib and npm's oauth4webapi stand for them. What each is given is an issuer's URL, a client's id
and secret, and what a person's sign-in brought.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import live
import npm
from programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE: Final = Path(__file__).resolve().parent
OAUTH4WEBAPI: Final = npm.Package(
    name="oauth4webapi",
    version="3.8.8",
    digest=(
        "sha512-8N28E+a/oxfXWBgOMt+ZP/JUf/XR+IFbvkAEPP3gznXO"
        "Mv9BpAAwiIj0TFNz3tGTPc0ZQ8zmWBNgN1nAys0gng=="
    ),
    main="build/index.js",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    with live.serving(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.mark.parametrize("method", ["basic", "post"])
@pytest.mark.parametrize("client_id", ["api", "partner", "phone"])
def test_oauth4webapi(site: live.Site, client_id: str, method: str) -> None:
    """It finds the endpoints by the metadata, and holds every answer to the RFCs."""
    library = OAUTH4WEBAPI.installed()
    device, ours = site.person().sign_in(client_id), program(site, client_id)
    given = (client_id, method, ours.secret, device.token, device.handle or device.token)
    command = ["node", str(HERE / "oauth_client.mjs"), str(library), site.url, *given]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["server"]["issuer"] == site.url
    assert (found["before"]["active"], found["before"]["sid"]) == (True, device.session_id)
    assert found["refreshed"]["token_type"].lower() == "bearer"
    assert found["renewed"]["sub"] == found["before"]["sub"]
    assert found["after"] == {"active": False}
    refused = {"error": "invalid_grant", "status": 400}
    assert {name: found["refused"][name] for name in refused} == refused
    assert device.refresh().status == 401


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("client_id", ["api", "partner", "phone"])
def test_authlib(site: live.Site, client_id: str, method: str) -> None:
    """Its session for requests, as its documentation shows it."""
    from authlib.integrations.base_client import (  # type: ignore[import-untyped]  # it has no types
        OAuthError,
    )
    from authlib.integrations.requests_client import (  # type: ignore[import-untyped]  # it has no types
        OAuth2Session,
    )

    device, ours = site.person().sign_in(client_id), program(site, client_id)
    with OAuth2Session(
        client_id,
        ours.secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        token={
            "access_token": device.token,
            "refresh_token": device.handle or device.token,
            "token_type": "Bearer",
        },
    ) as session:
        told = session.introspect_token(f"{site.url}/oauth/introspect", token=device.token)
        assert (told.status_code, told.json()["sid"]) == (200, device.session_id)
        renewed = session.refresh_token(f"{site.url}/oauth/token")
        assert renewed["token_type"] == "Bearer"
        assert session.token["refresh_token"] == renewed["refresh_token"] != device.handle
        # It sends what it was given as a bearer credential.
        who = session.get(f"{site.url}/v1/session").json()
        assert who["session_id"] == device.session_id
        gone = session.revoke_token(f"{site.url}/oauth/revoke", token=renewed["access_token"])
        assert (gone.status_code, gone.json()["revoked"]) == (200, 1)
        told = session.introspect_token(
            f"{site.url}/oauth/introspect", token=renewed["refresh_token"]
        )
        assert told.json() == {"active": False}
        with pytest.raises(OAuthError, match="invalid_grant"):
            session.refresh_token(f"{site.url}/oauth/token")
