"""What the OpenAPI document, and so /docs, says of an application."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import schemathesis
from fastapi import FastAPI, Security
from fastapi.openapi.models import OpenAPI
from fastapi.security import APIKeyHeader
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import BaseModel
from schemathesis import GenerationMode
from schemathesis.checks import ignored_auth

import applications
import verifying
from applications import ADMIN, Site
from counterfoil import Client, Counterfoil
from counterfoil.integrations.asgi import AuthMiddleware
from counterfoil.integrations.fastapi import CurrentSession, protect, requires, session_routes
from scenes import API, SPA, WEB, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUNDED = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CREDENTIALS = ["bearer", "cookie_web", "cookie_spa"]
KEY = Security(APIKeyHeader(name="x-key", scheme_name="key"))
CALLS = {
    ("get", "/v1/session"),
    ("delete", "/v1/session"),
    ("post", "/v1/session/refresh"),
    ("get", "/v1/sessions"),
    ("delete", "/v1/sessions"),
    ("delete", "/v1/sessions/{session_id}"),
}


class Problem(BaseModel):
    """An application's own, of that name."""

    text: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with applications.site() as made:
        yield made


@pytest.fixture
def document(site: Site) -> dict[str, Any]:
    return shown(site.app)


def shown(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = TestClient(app).get("/openapi.json").json()
    return sound(found)


def sound(document: dict[str, Any]) -> dict[str, Any]:
    """The document, which is one: every reference leads somewhere, every scheme is described."""
    OpenAPI.model_validate(document)
    schemathesis.openapi.from_dict(document).validate()
    components = document.get("components", {})
    for kind, name in re.findall(r"#/components/(\w+)/(\w+)", str(document)):
        assert name in components[kind]
    for operations in document["paths"].values():
        for operation in operations.values():
            for each in operation.get("security", []):
                assert set(each) <= set(components["securitySchemes"])
    return document


def test_a_call_says_what_it_can_be_made_with(document: dict[str, Any]) -> None:
    """Any client's credential: a bearer token, or the cookie of each cookie client by its name."""
    assert document["paths"]["/me"]["get"]["security"] == [{name: []} for name in CREDENTIALS]
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
    assert schemes["cookie_web"] == {"type": "apiKey", "in": "cookie", "name": "__Host-cf_web"}
    assert "bearer_optional" not in schemes
    assert "security" not in document["paths"]["/open"]["get"]
    assert "security" not in document["paths"]["/sign-in"]["post"]


def test_roles_are_shown_as_scopes(document: dict[str, Any]) -> None:
    """Every role that is needed, once."""
    paths = document["paths"]
    assert paths["/admin"]["get"]["security"] == [{name: [ADMIN]} for name in CREDENTIALS]
    both = paths["/both"]["get"]["security"]
    assert both == [{name: [ADMIN, "auditor"]} for name in CREDENTIALS]
    assert paths["/recent"]["get"]["security"] == [{name: []} for name in CREDENTIALS]


def test_an_optional_session_is_shown_as_that(document: dict[str, Any]) -> None:
    """The call can be made without."""
    security = document["paths"]["/maybe"]["get"]["security"]
    assert security == [{}, *({name: []} for name in CREDENTIALS)]


def test_refusals_are_shown_as_problems(document: dict[str, Any]) -> None:
    """Wherever a session is asked for, with their codes, under one schema."""
    for path in ("/me", "/maybe", "/admin"):
        responses = document["paths"][path]["get"]["responses"]
        assert {"200", "401", "403", "503"} <= set(responses)
        for status in ("401", "403", "503"):
            content = responses[status]["content"]["application/problem+json"]
            assert content == {"schema": {"$ref": "#/components/schemas/Problem"}}
    assert "session_revoked" in document["paths"]["/me"]["get"]["responses"]["401"]["description"]
    assert set(document["paths"]["/open"]["get"]["responses"]) == {"200"}
    assert "next_step" in document["components"]["schemas"]["Problem"]["properties"]


def test_the_calls_of_session_routes_are_shown_as_at_the_server(document: dict[str, Any]) -> None:
    """With their refusals, refresh cookies, and none of FastAPI's 422."""
    there = {(method, path) for path in document["paths"] for method in document["paths"][path]}
    assert there >= CALLS
    for method, path in CALLS:
        responses = document["paths"][path][method]["responses"]
        assert {"200", "400", "401", "403", "413", "503"} <= set(responses)
        assert "422" not in responses
    refreshing = document["paths"]["/v1/session/refresh"]["post"]
    renewing = ["refresh_cookie_web", "refresh_cookie_spa"]
    assert refreshing["security"] == [{}, *({name: []} for name in renewing)]
    names = [document["components"]["securitySchemes"][each]["name"] for each in renewing]
    assert names == ["__Host-cf_web", "__Host-cf_spa_r"]
    assert "x-counterfoil" not in str(document)


def test_an_applications_own_words_stay() -> None:
    """Its validation errors, its refusals, its schemes, and a schema that is called Problem too."""
    with scene(API) as played:
        app = FastAPI()
        protect(app, played.auth)
        app.include_router(session_routes(played.auth))

        @app.post("/own", responses={403: {"description": "Mine"}})
        async def own(_: CurrentSession, sent: Problem, key: Annotated[str, KEY]) -> str:
            return sent.text + key

        operation = shown(app)["paths"]["/own"]["post"]
        assert operation["responses"]["403"] == {"description": "Mine"}
        assert "HTTPValidationError" in str(operation["responses"]["422"])
        assert operation["security"] == [{"bearer": []}, {"key": []}]
        schemas = shown(app)["components"]["schemas"]
        assert set(schemas["Problem"]["properties"]) == {"text"}
        assert "next_step" in schemas["CounterfoilProblem"]["properties"]


def test_without_protect_the_document_shows_bearer_alone() -> None:
    """And is sound: nothing refers to what is not there."""
    with scene(WEB, API, SPA) as played:
        app = FastAPI()
        app.add_middleware(AuthMiddleware, auth=played.auth)
        app.include_router(session_routes(played.auth))
        app.get("/admin", dependencies=[requires(ADMIN)])(lambda: None)
        document = shown(app)
    assert document["paths"]["/admin"]["get"]["security"] == [{"bearer": [ADMIN]}]
    assert document["paths"]["/v1/session"]["get"]["security"] == [{"bearer": []}]
    assert set(document["components"]["securitySchemes"]) == {"bearer"}


def test_an_application_that_asks_for_nothing_is_shown_as_ever() -> None:
    """`protect` adds nothing to what has nothing to do with it."""
    with scene(WEB) as played:
        app, plain = FastAPI(), FastAPI()
        protect(app, played.auth)
        for each in (app, plain):
            each.get("/open")(lambda: None)
        assert shown(app) == shown(plain)


def test_a_verifying_application_shows_bearer() -> None:
    """It reads no cookies."""
    with verifying.scene() as issuer:
        app = FastAPI()
        protect(app, issuer.verifier)
        applications.endpoints(app)
        assert shown(app)["paths"]["/me"]["get"]["security"] == [{"bearer": []}]


def test_the_document_follows_routes_and_clients() -> None:
    """What is added after it was first shown is in it."""
    clients = {"web": WEB}
    with scene(WEB) as played:
        auth = Counterfoil(
            issuer=played.auth.issuer,
            store=played.store,
            clients=clients,
            keys=played.auth.keys,
        )
        app = FastAPI()
        protect(app, auth)
        app.get("/one", dependencies=[requires()])(lambda: None)
        assert set(shown(app)["components"]["securitySchemes"]) == {"bearer", "cookie_web"}
        assert app.openapi() is app.openapi()
        app.get("/two", dependencies=[requires("x")])(lambda: None)
        assert shown(app)["paths"]["/two"]["get"]["security"] == [
            {"bearer": ["x"]},
            {"cookie_web": ["x"]},
        ]
        clients["late"] = Client(client_id="late", strategy="session", carrier="cookie")
        assert {"cookie_late": []} in shown(app)["paths"]["/one"]["get"]["security"]


def test_docs_are_shown(site: Site) -> None:
    """FastAPI's page loads the document."""
    assert "/openapi.json" in site.visitor().get("/docs").text


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(
    ("method", "path"), [*sorted(CALLS), ("get", "/me"), ("get", "/maybe"), ("get", "/admin")]
)
def test_every_answer_is_one_that_the_document_promises(
    site: Site, method: str, path: str, mode: GenerationMode
) -> None:
    """Signed in as an administrator, by what schemathesis makes of the document."""
    if mode is GenerationMode.NEGATIVE and not path.startswith("/v1"):
        return  # there is nothing to get wrong
    api = schemathesis.openapi.from_asgi("/openapi.json", site.app)
    site.roles.of["root"] = [ADMIN]

    @BOUNDED
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        token = site.open("root", "api").credential.token
        headers = {} if path.endswith("refresh") else {"Authorization": f"Bearer {token}"}
        case.call_and_validate(headers=headers, excluded_checks=[ignored_auth])

    ask()
