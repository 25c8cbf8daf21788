"""Asking the issuer: its answer is yes, no, or cannot be known, and never anything between."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import errors
from counterfoil.credential import Facts, Verified
from counterfoil.errors import CounterfoilError, IssuerUnavailable, Unavailable, WrongAudience
from counterfoil.feeds import fetch
from counterfoil.feeds.confirm import confirm
from counterfoil.integrations.problem import STATUS_OF_CODE, problem
from serving import answering, bytes_of, saying, saying_json

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOON = timedelta(seconds=5)
STRANGE: tuple[object, ...] = (None, 7, "", [])
HANDLE = "cf_" + "a" * 60
YES = {
    "subject": "user-17",
    "session_id": "Zk1pQhbKTfqkmFvJtJtBxw",
    "client_id": "web",
    "strategy": "session",
    "claims": {"roles": ["admin"]},
    "as_of": "2026-11-23T12:00:00.250000Z",
    "expires_at": "2026-11-23T14:00:00+01:00",
}


def asked(answer: Any, *, status: int = 200, audience: str | None = "web") -> Verified:
    with answering(saying_json(answer, status=status)) as server:
        return confirm(server.url, HANDLE, audience=audience, timeout=SOON)


def without(name: str) -> dict[str, Any]:
    return {member: value for member, value in YES.items() if member != name}


def test_yes_is_verified_as_the_issuer_says() -> None:
    """All of it is the issuer's knowledge, the moment too."""
    assert asked({**YES, "auth_time": "2026-11-23T11:00:00Z"}) == Verified(
        Facts(
            subject="user-17",
            session_id="Zk1pQhbKTfqkmFvJtJtBxw",
            client_id="web",
            strategy="session",
            claims={"roles": ["admin"]},
            expires_at=AT + timedelta(hours=1),
            auth_time=AT - timedelta(hours=1),
        ),
        AT + timedelta(milliseconds=250),
    )


def test_an_unknown_auth_time_was_long_ago() -> None:
    """Who asks for a recent proof of identity is refused, not misled."""
    assert asked(YES).auth_time == datetime(1970, 1, 1, tzinfo=UTC)


def test_the_credential_travels_as_bearer_to_the_issuer() -> None:
    """In the header, never in the address: addresses are logged."""
    with answering(saying_json(YES)) as server:
        confirm(f"{server.url}/auth", HANDLE, audience="web", timeout=SOON)
    (head,) = server.asked
    assert head.startswith("GET /auth/v1/session?confirm=true HTTP/1.1\r\n")
    assert f"\r\nAuthorization: Bearer {HANDLE}\r\n" in head


@pytest.mark.parametrize(
    ("said", "audience", "is_meant"),
    [
        ({}, "web", True),
        ({}, "billing", False),
        ({"audience": "billing"}, "billing", True),
        ({"audience": "web"}, "billing", False),
        ({"audience": "billing"}, "web", False),
        ({"audience": None}, "web", False),
        ({"audience": "billing"}, None, True),
    ],
)
def test_a_credential_for_another_audience_is_refused(
    said: dict[str, Any], audience: str | None, *, is_meant: bool
) -> None:
    """The issuer answers for every client; another's sign-in must not open this service."""
    if is_meant:
        assert asked({**YES, **said}, audience=audience).subject == "user-17"
        return
    with pytest.raises(WrongAudience):
        asked({**YES, **said}, audience=audience)


@pytest.mark.parametrize(
    "answer",
    [
        *(without(name) for name in YES),
        *({**YES, name: value} for name in YES for value in STRANGE),
        {**YES, "strategy": "magic"},
        {**YES, "as_of": "2026-11-23T12:00:00"},
        {**YES, "as_of": "now"},
        {**YES, "auth_time": 0},
        {},
        [],
        "yes",
    ],
)
def test_a_yes_that_cannot_be_read_is_no_yes(answer: object) -> None:
    """Nor is it a no: a proxy may have answered."""
    with pytest.raises(IssuerUnavailable):
        asked(answer)


EVERY: list[type[CounterfoilError]] = [
    kind
    for root in (errors.AuthError, errors.Unavailable)
    for kind in root.__subclasses__()
    if kind.__module__ == errors.__name__
]
ANSWERS = [kind for kind in EVERY if STATUS_OF_CODE[kind.code] in {401, 403, 429, 503}]


@pytest.mark.parametrize("kind", [kind for kind in EVERY if kind not in ANSWERS])
def test_a_refusal_of_something_else_is_no_answer(kind: type[CounterfoilError]) -> None:
    """Whoever answers 404 or 400 does not say that the credential is bad: it does not answer this
    at all."""
    body = {"code": kind.code, "detail": "In a word."}
    with pytest.raises(IssuerUnavailable):
        asked(body, status=STATUS_OF_CODE[kind.code])


def test_where_confirm_is_not_answered_the_error_says_what_to_mount() -> None:
    """An application publishes its keys, and forgot its store."""
    with pytest.raises(IssuerUnavailable, match="mount IssuerApp, over a store"):
        asked({"code": "not_found"}, status=404)


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_refusal_comes_back_as_its_own_error(kind: type[CounterfoilError]) -> None:
    """The same class, code and detail as at the issuer; and for how long to wait."""
    wait: dict[str, Any] = {}
    if issubclass(kind, errors.Unavailable | errors.TooManyAttempts):
        wait = {"retry_after": timedelta(seconds=7)}
    answer = problem(kind("In a word.", **wait))
    with pytest.raises(CounterfoilError) as caught:
        asked(answer.body, status=answer.status)
    assert type(caught.value) is kind
    assert caught.value.detail == "In a word."
    assert getattr(caught.value, "retry_after", None) == wait.get("retry_after")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {}),
        (401, {"code": "unheard_of"}),
        (401, {"code": ["session_revoked"]}),
        (404, {"detail": "Not Found"}),
        (409, {"code": "not_revocable", "expires_at": "2026-11-23T12:00:00Z"}),
        (500, {"code": "session_revoked"}),
        (503, {"code": "session_revoked"}),
        (201, YES),
    ],
)
def test_what_is_neither_yes_nor_no_cannot_be_known(status: int, body: object) -> None:
    """A gateway's 401 does not end anybody's session."""
    with pytest.raises(IssuerUnavailable):
        asked(body, status=status)


@pytest.mark.parametrize("wait", [None, -1, 0, 1.5, True, 3601, "7"])
def test_a_wait_without_sense_is_not_passed_on(wait: object) -> None:
    """The default of the caller's own edge applies."""
    with pytest.raises(errors.StoreUnavailable) as caught:
        asked({"code": "store_unavailable", "retry_after": wait}, status=503)
    assert caught.value.retry_after is None


def test_a_gateway_that_answers_in_html_cannot_know() -> None:
    """As most do."""
    with (
        answering(saying(bytes_of(b"<h1>Bad Gateway</h1>", status=502))) as server,
        pytest.raises(IssuerUnavailable, match="502"),
    ):
        confirm(server.url, HANDLE, audience="web", timeout=SOON)


def test_the_table_lacks_no_code() -> None:
    """A new code must come back as itself here, too."""
    assert {kind.code for kind in EVERY} == set(STATUS_OF_CODE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*YES, "code", "x"]), inner),
    max_leaves=10,
)


# A yes now and then, or only refusals would be looked at.
near_yes = st.fixed_dictionaries({name: st.just(YES[name]) | json_values for name in YES})


@given(
    status=st.sampled_from([200, 201, 400, 401, 403, 429, 500, 503]),
    body=st.binary() | (json_values | near_yes).map(lambda value: json.dumps(value).encode()),
)
def test_no_answer_leads_anywhere_else(status: int, body: bytes) -> None:
    """Whatever it is: verified only under 200, and no error outside our own kinds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch, "ask", lambda *_, **__: fetch.Answer(status, body))
        error = None
        try:
            confirm("https://app.example", HANDLE, audience="web", timeout=SOON)
        except CounterfoilError as caught:
            error = caught
    if status == 200:
        assert isinstance(error, Unavailable | WrongAudience | None)
    else:
        assert isinstance(error, CounterfoilError)
    assert HANDLE not in str(error)
