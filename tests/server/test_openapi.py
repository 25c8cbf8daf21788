"""The OpenAPI document is true: schemathesis makes requests from it and holds us to the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import ignored_auth, positive_data_acceptance
from schemathesis.core import NOT_SET

import live
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.server.tables.clients import ClientRows
from programs import FORM, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemathesis.specs.openapi.schemas import OpenApiSchema

BOUNDED = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CALLS = [
    ("GET", "/"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("POST", "/v1/accounts"),
    ("POST", "/v1/account/password"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions"),
    ("DELETE", "/v1/sessions"),
    ("DELETE", "/v1/sessions/{session_id}"),
    ("GET", "/v1/session"),
    ("GET", "/v1/check"),
    ("DELETE", "/v1/session"),
    ("POST", "/v1/session/refresh"),
    ("POST", "/v1/session/step-up"),
    ("GET", "/v1/admin/accounts"),
    ("PATCH", "/v1/admin/accounts/{subject}"),
    ("GET", "/v1/admin/sessions"),
    ("DELETE", "/v1/admin/sessions"),
    ("DELETE", "/v1/admin/sessions/{session_id}"),
    ("GET", "/v1/admin/keys"),
    ("POST", "/v1/admin/keys/rotate"),
    ("POST", "/v1/admin/keys/{kid}/distrust"),
    ("GET", "/v1/admin/clients"),
    ("GET", "/v1/admin/verifiers"),
    ("GET", "/v1/admin/events"),
    ("POST", "/oauth/introspect"),
    ("POST", "/oauth/revoke"),
    ("POST", "/oauth/token"),
]
NOTHING_TO_GET_WRONG = {("/", "get"), ("/livez", "get"), ("/readyz", "get")}
PUBLIC = NOTHING_TO_GET_WRONG | {("/v1/accounts", "post"), ("/v1/sessions", "post")}
SESSIONS = "/v1/admin/sessions"
WITHOUT_BEARER = {"/v1/session/refresh"}  # the handle is in the body, and one credential is enough
OAUTH = "/oauth/"  # a client's secret instead of a person's credential, forms, and its own words
QUERIES = {
    ("DELETE", SESSIONS): {"client_id": "phone"},
    ("GET", "/v1/check"): {"audience": "api", "role": "admin"},
}
BEYOND_A_SCHEMA = {  # which clients there are, and one of two parameters
    ("/v1/sessions", "client_unknown"),
    (SESSIONS, "client_unknown"),
    (SESSIONS, "malformed"),
    ("/v1/check", "client_unknown"),
    ("/v1/check", "malformed"),
}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server of its own: what is made up ends sessions and rotates keys."""
    with live.serving(tmp_path_factory.mktemp("fuzzed") / "data") as site:
        yield site


@pytest.fixture
def document(site: live.Site) -> dict[str, Any]:
    found: dict[str, Any] = site.call("GET", "/openapi.json").json
    return found


@pytest.fixture(scope="module")
def api(fuzzed: live.Site) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")


def test_the_calls_of_this_file_are_all_that_are_documented(document: dict[str, Any]) -> None:
    """A new call is fuzzed too, once it is named here."""
    documented = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert documented == set(CALLS)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_answer_is_one_that_the_document_promises(
    fuzzed: live.Site, api: OpenApiSchema, method: str, path: str, mode: GenerationMode
) -> None:
    """Statuses, types, bodies and headers as documented, what is wrong refused, no 5xx; signed in
    as an administrator, so that nothing is out of reach."""
    is_positive = mode is GenerationMode.POSITIVE
    if not is_positive and (path, method.lower()) in NOTHING_TO_GET_WRONG:
        return
    # What is wrong is refused with a credential too, so there is nothing to ask once more without.
    unasked = [positive_data_acceptance, *([] if is_positive else [ignored_auth])]

    @BOUNDED
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        headers = headers_for(path, fuzzed)
        answer = case.call_and_validate(headers=headers, excluded_checks=unasked)
        if is_positive and answer.status_code == 400 and not path.startswith(OAUTH):
            # A text with a NUL in it is valid JSON, and no schema of ours says that it is refused.
            has_nul = answer.json()["detail"] == "The JSON holds a lone surrogate or NUL."
            assert has_nul or (path, answer.json()["code"]) in BEYOND_A_SCHEMA

    ask()
    assert fuzzed.call("GET", "/livez").status == 200


def headers_for(path: str, site: live.Site, admin: live.Device | None = None) -> dict[str, str]:
    """Of somebody who may do everything there."""
    if path.startswith(OAUTH):
        return program(site, "phone").headers()
    return {} if path in WITHOUT_BEARER else (admin or site.administrator()).headers()


def meant(method: str, path: str, site: live.Site, admin: live.Device) -> dict[str, Any]:
    """What to send so that this call succeeds: as parts of a schemathesis case."""
    person = site.person()
    names = {"identifier": person.identifier, "password": live.PASSWORD}
    mine = site.demo_password
    bodies: dict[tuple[str, str], dict[str, Any]] = {
        ("POST", "/v1/accounts"): {"identifier": "once", "password": live.PASSWORD},
        ("POST", "/v1/sessions"): {"client_id": "api", **names},
        ("POST", "/v1/session/refresh"): {"refresh_handle": person.sign_in("phone").token},
        ("POST", "/v1/session/step-up"): {"password": mine},
        ("POST", "/v1/account/password"): {"current": mine, "new": live.OTHER},
        ("PATCH", "/v1/admin/accounts/{subject}"): {"roles": ["a", "b"], "state": "suspended"},
        ("POST", "/v1/admin/keys/rotate"): {"algorithm": "EdDSA"},
        ("POST", "/oauth/introspect"): {"token": person.sign_in("phone").token},
        ("POST", "/oauth/revoke"): {"token": person.sign_in("phone").token},
        ("POST", "/oauth/token"): {
            "grant_type": "refresh_token",
            "refresh_token": person.sign_in("phone").token,
        },
    }
    ids = {
        "session_id": admin.session_id,
        "subject": person.subject,
        "kid": admin.call("GET", "/v1/admin/keys").json["keys"][0]["kid"],
    }
    is_sent = (method, path) in bodies
    return {
        "path_parameters": {name: text for name, text in ids.items() if f"{{{name}}}" in path},
        "query": QUERIES.get((method, path), {}),
        "body": bodies[method, path] if is_sent else NOT_SET,
        "media_type": (FORM if path.startswith(OAUTH) else "application/json") if is_sent else None,
    }


def test_what_succeeds_is_answered_as_documented(tmp_path: Path) -> None:
    """Every call once as it is meant, its answer held against the document."""
    with live.serving(tmp_path / "data") as site:
        api = schemathesis.openapi.from_url(f"{site.url}/openapi.json")
        for method, path in CALLS:
            admin = site.administrator()
            case = api[path][method].Case(**meant(method, path, site, admin))
            headers = headers_for(path, site, admin)
            answer = case.call_and_validate(headers=headers, excluded_checks=[ignored_auth])
            assert answer.status_code in {200, 201}, (method, path, answer.text)
            if path == "/v1/account/password":
                site.demo_password = live.OTHER


def test_calls_say_which_credential_they_need(document: dict[str, Any]) -> None:
    """Bearer, or the cookie of any cookie client; the public calls need none."""
    open_to_all = {
        (path, method)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "security" not in operation
    }
    assert open_to_all == PUBLIC
    needed = document["paths"]["/v1/session"]["get"]["security"]
    assert {"bearer": []} in needed
    assert {"cookie_spa": []} in needed
    refreshing = document["paths"]["/v1/session/refresh"]["post"]["security"]
    assert {} in refreshing
    assert {"refresh_cookie_spa": []} in refreshing
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
    assert schemes["client_secret_basic"] == {"type": "http", "scheme": "basic"}
    introspecting = document["paths"]["/oauth/introspect"]["post"]["security"]
    assert introspecting == [{"client_secret_basic": []}, {}]
    assert schemes["refresh_cookie_spa"]["name"] == "__Host-cf_spa_r"
    assert schemes["refresh_cookie_web"]["name"] == "__Host-cf_web"


def test_refusals_are_documented_as_the_problems_they_are(document: dict[str, Any]) -> None:
    """No FastAPI default remains; each refusal names its codes and the shape of a problem."""
    assert "HTTPValidationError" not in str(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            refusals = {int(status) for status in operation["responses"] if int(status) >= 400}
            assert refusals or path in {"/", "/livez"}, (path, method)
            for status in refusals:
                answer = operation["responses"][str(status)]
                if path.startswith(OAUTH) and status not in {429, 503}:
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/OAuthRefused")
                    continue
                assert set(answer["content"]) == {"application/problem+json"}
                assert answer["description"].split(": ")[1]
            if "security" in operation and not path.startswith(OAUTH):
                assert {400, 401, 403, 413, 503} <= refusals, (path, method)
    assert "session_revoked" in str(document["paths"]["/v1/session"]["get"]["responses"]["401"])


def test_a_client_that_is_registered_while_the_server_runs_is_soon_known(tmp_path: Path) -> None:
    """Within a second it can sign people in, by its own cookie, and the document has that too."""
    with live.serving(tmp_path / "data") as site:
        assert site.server is not None
        person = site.person()
        assert person.try_sign_in("late").code == "client_unknown"
        rows = ClientRows(site.server.store.blocking().rows, site.server.settings.lifetime)
        late = Client(client_id="late", strategy="session", carrier="cookie")
        drive(rows.add(late, at=datetime.now(UTC), own_lifetime=True))
        live.until(lambda: person.try_sign_in("late").status == 201)
        assert person.sign_in("late").who().json["client_id"] == "late"
        schemes = site.call("GET", "/openapi.json").json["components"]["securitySchemes"]
        assert schemes["cookie_late"]["name"] == "__Host-cf_late"
