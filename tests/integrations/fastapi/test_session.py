"""Who is asking, as FastAPI's dependencies."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from starlette.testclient import TestClient, WebSocketDenialResponse

import applications
import verifying
from applications import ADMIN, Site, code
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, CredentialMissing
from counterfoil.integrations.asgi import AuthMiddleware
from counterfoil.integrations.fastapi import (
    CurrentSession,
    OptionalSession,
    current_session,
    optional_session,
    protect,
    requires,
)
from counterfoil.testing import verified
from scenes import EVERY_ID, TICK

if TYPE_CHECKING:
    from collections.abc import Iterator

CROSS = {"sec-fetch-site": "cross-site"}


@pytest.fixture
def site() -> Iterator[Site]:
    with applications.site() as made:
        yield made


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_an_endpoint_is_given_who_is_asking(site: Site, client_id: str) -> None:
    """Whatever the client's strategy and carrier, in async and plain endpoints."""
    site.roles.of["ann"] = ["reader"]
    person = site.person("ann", client_id)
    assert person.get("/me").json() == {"subject": "ann", "roles": ["reader"]}
    assert person.get("/plain").json() == "ann"
    assert person.get("/maybe").json() == "ann"


def test_nobody_is_asked_to_sign_in(site: Site) -> None:
    """401 as a problem where a session is needed, None where it is optional."""
    visitor = site.visitor()
    answer = visitor.get("/me")
    assert (answer.status_code, code(answer)) == (401, "credential_missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="counterfoil"'
    assert visitor.get("/maybe").json() == "visitor"
    assert visitor.get("/open").json() == "open"


@pytest.mark.parametrize("client_id", ["web", "phone", "api", "spa"])
def test_a_revoked_session_is_refused(site: Site, client_id: str) -> None:
    """At the next request; where a session is optional, a cookie is a visitor's and a bearer
    header is refused."""
    opened = site.open("ann", client_id)
    person = applications.holding(site.visitor(), opened)
    person.get("/me").raise_for_status()
    drive(site.auth.revoke(opened.session.id))
    assert code(person.get("/me")) == "session_revoked"
    answer = person.get("/maybe")
    if opened.credential.carrier == "cookie":
        assert answer.json() == "visitor"
    else:
        assert code(answer) == "session_revoked"


def test_what_cannot_be_known_is_503_and_nobody_is_made_anonymous(site: Site) -> None:
    """Also where a session is optional."""
    person = site.person()
    site.store.failing.add("look_up")
    for path in ("/me", "/maybe", "/admin"):
        answer = person.get(path)
        assert (answer.status_code, code(answer)) == (503, "store_unavailable")
        assert answer.headers["retry-after"]


def test_a_write_of_another_site_is_refused(site: Site) -> None:
    """With a cookie; a bearer header is never sent by another site."""
    assert code(site.person("ann", "web").post("/me", headers=CROSS)) == "cross_site"
    assert site.person("ann", "phone").post("/me", headers=CROSS).json() == "ann"
    assert site.person("ann", "web").get("/me", headers=CROSS).status_code == 200


def test_a_role_is_asked_for(site: Site) -> None:
    """403 says which; 401 comes before it."""
    site.roles.of["root"] = [ADMIN]
    answer = site.person("ann").get("/admin")
    assert (answer.status_code, code(answer)) == (403, "forbidden")
    assert answer.json()["detail"] == "This needs the role admin."
    assert site.person("root").get("/admin").json() == "admin"
    assert code(site.visitor().get("/admin")) == "credential_missing"


@pytest.mark.parametrize(
    ("roles", "lacking"), [([], "admin"), (["admin"], "auditor"), (["auditor"], "admin")]
)
def test_every_role_is_needed(site: Site, roles: list[str], lacking: str) -> None:
    """The first that is missing is named; with all of them the endpoint is given the session."""
    site.roles.of["ann"] = roles
    answer = site.person("ann").get("/both")
    assert answer.json()["detail"] == f"This needs the role {lacking}."
    site.roles.of["bob"] = ["auditor", "admin", "other"]
    assert site.person("bob").get("/both").json() == "bob"


def test_requirements_of_router_and_route_add_up(site: Site) -> None:
    """Both must hold, and FastAPI's own way of naming scopes is no way around them."""
    router = APIRouter(prefix="/inner", dependencies=[requires("staff")])

    @router.get("/one", dependencies=[requires("editor")])
    async def one() -> str:
        return "one"

    @site.app.get("/scoped", dependencies=[Security(current_session, scopes=["editor"])])
    async def scoped() -> str:
        return "scoped"

    @site.app.get("/maybe-scoped", dependencies=[Security(optional_session, scopes=["editor"])])
    async def maybe_scoped() -> str:
        return "scoped"

    site.app.include_router(router)
    site.roles.of = {"s": ["staff"], "e": ["editor"], "se": ["staff", "editor"]}
    statuses = {who: site.person(who).get("/inner/one").status_code for who in ("s", "e", "se")}
    assert statuses == {"s": 403, "e": 403, "se": 200}
    for path in ("/scoped", "/maybe-scoped"):
        assert code(site.person("s").get(path)) == "forbidden"
        assert code(site.visitor().get(path)) == "credential_missing"
        assert site.person("e").get(path).json() == "scoped"


@pytest.mark.parametrize("client_id", ["web", "phone", "api", "spa"])
def test_a_recent_proof_can_be_asked_for(site: Site, client_id: str) -> None:
    """By the engine's clock, to the moment; a refresh proves nothing."""
    opened = site.open("ann", client_id)
    site.scene.advance(timedelta(minutes=4))
    opened = drive(site.scene.refresh(opened))
    person = applications.holding(site.visitor(), opened)
    auth_time = datetime.fromisoformat(person.get("/v1/session").json()["auth_time"])
    site.scene.advance(auth_time + timedelta(minutes=5) - TICK - site.scene.now)
    assert person.get("/recent").json() == "recent"
    site.scene.advance(TICK)
    assert code(person.get("/recent")) == "step_up_required"


def test_a_proof_that_is_too_old_asks_for_another(site: Site) -> None:
    """403 step_up_required, which a step-up answers."""
    person = site.person("ann", "web")
    site.scene.advance(timedelta(minutes=5))
    answer = person.get("/recent")
    assert (answer.status_code, code(answer)) == (403, "step_up_required")
    assert answer.json()["detail"].endswith("less than 300 seconds ago.")
    assert "/v1/" not in answer.json()["next_step"]
    assert person.post("/step-up").status_code == 200
    assert person.get("/recent").json() == "recent"


@pytest.mark.parametrize("roles", [("a b",), ("",), (["admin"],), ("x" * 65,)])
def test_a_role_that_nobody_can_have_is_refused_when_it_is_asked_for(roles: Any) -> None:
    """While the application is made; and so is no time."""
    with pytest.raises(ConfigurationError):
        requires(*roles)
    with pytest.raises(ConfigurationError):
        requires(recent=timedelta(0))


@pytest.mark.parametrize("client_id", EVERY_ID)
def test_a_websocket_is_given_who_is_asking(site: Site, client_id: str) -> None:
    """From the handshake; a visitor, or one without the role, gets none."""
    site.roles.of["root"] = [ADMIN]
    with site.person("ann", client_id).websocket_connect("/live") as socket:
        assert socket.receive_text() == "ann"
    with site.person("root", client_id).websocket_connect("/live/admin") as socket:
        assert socket.receive_text() == "root"
    for refused, path in (
        (site.visitor(), "/live"),
        (site.person("ann", client_id), "/live/admin"),
    ):
        with pytest.raises(WebSocketDenialResponse) as caught, refused.websocket_connect(path):
            pass
        assert code(caught.value) in {"credential_missing", "forbidden"}


def test_a_websocket_of_another_site_is_refused(site: Site) -> None:
    """A handshake is a GET that a browser sends with cookies from anywhere."""
    person = site.person("ann", "web")
    elsewhere = {"origin": "https://evil.example"}
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        person.websocket_connect("/live", headers=elsewhere),
    ):
        pass
    assert code(caught.value) == "cross_site"


def test_an_override_stands_for_the_check_and_not_for_the_roles(site: Site) -> None:
    """In tests of an application, `current_session` is replaced; `requires` asks all the same."""
    overrides = site.app.dependency_overrides
    overrides[current_session] = lambda: verified("zoe", roles=["auditor"])
    visitor = site.visitor()
    assert visitor.get("/me").json()["subject"] == "zoe"
    assert code(visitor.get("/admin")) == "forbidden"
    assert visitor.get("/maybe").json() == "visitor"
    now = site.scene.now
    overrides[current_session] = lambda: verified("zoe", roles=[ADMIN, "auditor"], auth_time=now)
    overrides[optional_session] = lambda: verified("zoe")
    assert visitor.get("/admin").json() == "admin"
    assert visitor.get("/both").json() == "zoe"
    assert visitor.get("/maybe").json() == "zoe"
    assert visitor.get("/recent").json() == "recent"
    with visitor.websocket_connect("/live/admin") as socket:
        assert socket.receive_text() == "zoe"


def test_an_override_may_refuse(site: Site) -> None:
    """With any of the errors of a check."""

    def refuse() -> None:
        raise CredentialMissing("Nobody is there.")

    site.app.dependency_overrides[current_session] = refuse
    answer = site.person().get("/me")
    assert (answer.status_code, answer.json()["detail"]) == (401, "Nobody is there.")


def test_without_the_middleware_the_set_up_is_wrong() -> None:
    """It says so; nobody is taken for a visitor."""
    app = FastAPI()
    applications.endpoints(app)
    client = TestClient(app)
    for path in ("/me", "/maybe", "/admin"):
        with pytest.raises(ConfigurationError, match="AuthMiddleware"):
            client.get(path)


def test_the_middleware_alone_will_do(site: Site) -> None:
    """`protect` adds it, and the document; everything else works without."""
    app = FastAPI()
    app.add_middleware(AuthMiddleware, auth=site.auth)
    applications.endpoints(app)
    person = applications.holding(TestClient(app), site.open("ann", "api"))
    assert person.get("/me").json()["subject"] == "ann"
    assert code(person.get("/admin")) == "forbidden"


def test_an_application_may_only_verify() -> None:
    """With a `Verifier`: bearer tokens for its audience, roles, and its clock."""
    with verifying.scene() as issuer:
        app = FastAPI()
        protect(app, issuer.verifier)
        applications.endpoints(app)
        token = issuer.token(roles=[ADMIN])
        person = TestClient(app, headers={"Authorization": f"Bearer {token}"})
        assert person.get("/me").json()["roles"] == [ADMIN]
        assert person.get("/admin").json() == "admin"
        assert person.get("/recent").json() == "recent"
        assert code(person.get("/both")) == "forbidden"
        issuer.clock.advance(timedelta(days=1))
        assert code(person.get("/me")) in {"credential_expired", "keys_stale"}
        assert code(TestClient(app).get("/me")) == "credential_missing"


def test_the_aliases_are_annotations_that_any_module_can_share() -> None:
    """They know no application: two of them keep apart."""

    async def endpoint(session: CurrentSession, maybe: OptionalSession) -> list[str]:
        return [session.subject, maybe.subject if maybe else ""]

    with applications.site() as first, applications.site() as second:
        for site in (first, second):
            site.app.get("/shared")(endpoint)
        person = first.person("ann", "api")
        assert person.get("/shared").json() == ["ann", "ann"]
        stranger = second.visitor(Authorization=person.headers["Authorization"])
        # Both scenes have the same keys; the session is of the first.
        assert stranger.get("/shared").status_code in {401, 503}


def test_depends_is_for_functions_of_the_application(site: Site) -> None:
    """An application's own dependency builds on the session."""

    async def account(session: CurrentSession) -> str:
        return f"account of {session.subject}"

    @site.app.get("/account")
    async def show(found: str = Depends(account)) -> str:
        return found

    assert site.person("ann").get("/account").json() == "account of ann"
