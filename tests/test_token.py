"""The access token: what is issued, and in which order what is presented is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import token
from counterfoil.errors import (
    AuthError,
    ClientUnknown,
    ConfigurationError,
    CredentialExpired,
    CredentialMalformed,
    KeyUnknown,
    SignatureMismatch,
    WrongAudience,
    WrongIssuer,
)
from counterfoil.token import AccessToken, StatusReference, TokenClaims
from forging import (
    ALGORITHMS,
    ISSUER,
    KEYS,
    NOW,
    PUBLIC,
    SECOND,
    header,
    opened,
    payload,
    signed,
)

if TYPE_CHECKING:
    from counterfoil.client import Algorithm

STATUS = StatusReference(f"{ISSUER}/status/lists/Zk1pQhbKTfqkmFvJtJtBxw", 123_456)
CLAIMS = TokenClaims(
    iss=ISSUER,
    sub="user-17",
    aud=("api",),
    exp=NOW + timedelta(minutes=5),
    iat=NOW,
    jti="n9bJGIVoRhrBt1yCSZuGlw",
    sid="Zk1pQhbKTfqkmFvJtJtBxw",
    client_id="api",
    auth_time=NOW - timedelta(hours=1),
    claims={"roles": ["admin", "user"], "team": {"id": 7}},
    status=STATUS,
)


def changed(**changes: Any) -> TokenClaims:
    fields = {name: getattr(CLAIMS, name) for name in TokenClaims.__slots__}
    return TokenClaims(**{**fields, **changes})


def issue(claims: TokenClaims = CLAIMS, algorithm: Algorithm = "ES256", typ: str = "at+jwt") -> str:
    return token.issue(claims, key=KEYS.active(algorithm), typ=typ)


def check(text: str, **changes: Any) -> AccessToken:
    expected: dict[str, Any] = {
        "keys": PUBLIC,
        "issuer": ISSUER,
        "audience": "api",
        "typ": "at+jwt",
        "now": NOW,
        **changes,
    }
    return token.check(text, **expected)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_issued_is_what_is_read(algorithm: Algorithm) -> None:
    """Every claim comes back with its type; kid and typ are the header's."""
    found = check(issue(algorithm=algorithm))
    assert {name: getattr(found, name) for name in TokenClaims.__slots__} == {
        name: getattr(CLAIMS, name) for name in TokenClaims.__slots__
    }
    assert (found.kid, found.typ) == (KEYS.active(algorithm).kid, "at+jwt")


def test_the_claims_stand_in_the_order_of_the_design() -> None:
    """RFC 9068's, then the custom ones, then the status; compact, one audience as a text."""
    body = opened(issue().split(".")[1]).decode()
    assert list(json.loads(body)) == [
        *("iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "auth_time"),
        *("roles", "team", "status"),
    ]
    assert '"aud":"api"' in body
    assert " " not in body
    assert json.loads(opened(issue().split(".")[0])) == header()


def test_a_hybrid_token_is_small() -> None:
    """ES256, an issuer of 24 characters, ids of 128 bits and two roles: at most 620 bytes."""
    issuer = "https://auth.example.com"
    assert len(issuer) == 24
    claims = changed(
        iss=issuer,
        sub="Zk1pQhbKTfqkmFvJtJtBxw",
        claims={"roles": ["admin", "user"]},
        status=StatusReference(f"{issuer}/status/lists/Zk1pQhbKTfqkmFvJtJtBxw", 1_048_575),
    )
    assert len(issue(claims)) <= 620


@pytest.mark.parametrize("name", sorted(token.RESERVED))
def test_a_custom_claim_cannot_pass_for_the_tokens_own(name: str) -> None:
    """Also not for a condition that no check here would meet."""
    with pytest.raises(ConfigurationError):
        issue(changed(claims={name: "root"}))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**64,
        object(),
        b"bytes",
        {1, 2},
        NOW,
        "\ud800",
        {"a": {"b": float("-inf")}},
        {1: "a", "1": "b"},
        "x" * 9_000,
        "x" * 6_500,
        ["x"] * 70_000,
    ],
    ids=range(13),
)
def test_a_claim_that_could_not_be_read_back_is_not_issued(value: object) -> None:
    """Not JSON, not finite, ambiguous, or too long."""
    with pytest.raises(ConfigurationError):
        issue(changed(claims={"x": value}))


@pytest.mark.parametrize(
    "change",
    [
        {"sub": ""},
        {"sub": "a b"},
        {"sub": "é"},
        {"sub": "x" * 256},
        {"jti": ""},
        {"aud": ()},
        {"claims": {"roles": "admin"}},
        {"claims": {"roles": [1]}},
        {"status": StatusReference("", 1)},
        {"status": StatusReference("https://app.example", -1)},
    ],
)
def test_a_token_that_would_be_refused_is_not_issued(change: dict[str, Any]) -> None:
    """What the check asks of a token, issuing asks first."""
    with pytest.raises(ConfigurationError):
        issue(changed(**change))


def test_a_key_for_status_issues_no_tokens() -> None:
    """Each key has one purpose."""
    with pytest.raises(ConfigurationError):
        token.issue(CLAIMS, key=KEYS.active("ES256", "status"), typ="at+jwt")


def test_several_audiences_are_a_list_and_one_of_them_is_enough() -> None:
    """A token for two services is good at both and nowhere else."""
    text = issue(changed(aud=("api", "web")))
    assert check(text).aud == ("api", "web")
    assert check(text, audience="web").aud == ("api", "web")
    with pytest.raises(WrongAudience):
        check(text, audience="ap")


def test_refusals_come_in_one_order() -> None:
    """Signature, structure, issuer, audience, expiry: the first that is wrong is what is said."""
    wrong = {"iss": "https://other.example", "aud": "other", "exp": SECOND - 1, "iat": SECOND - 9}
    text = signed(header(), payload(**wrong))
    forged = f"{text[:-4]}AAAA"
    steps: list[tuple[str, type[AuthError]]] = [
        (signed(header(kid="elsewhere"), payload(**wrong)), KeyUnknown),
        (forged, SignatureMismatch),
        (signed(header(), payload(**wrong, sub=7)), CredentialMalformed),
        (text, WrongIssuer),
        (signed(header(), payload(**{**wrong, "iss": ISSUER})), WrongAudience),
        (signed(header(), payload(**{**wrong, "iss": ISSUER, "aud": "api"})), CredentialExpired),
    ]
    for presented, refusal in steps:
        with pytest.raises(refusal):
            check(presented)


def test_expiry_has_no_leeway() -> None:
    """Good until the second before, refused in the very second that it names."""
    text = issue()
    assert check(text, now=CLAIMS.exp - timedelta(microseconds=1)).sub == "user-17"
    for moment in (CLAIMS.exp, CLAIMS.exp + timedelta(days=1)):
        with pytest.raises(CredentialExpired):
            check(text, now=moment)


def test_a_token_from_the_future_is_refused_past_a_minute() -> None:
    """Clocks differ by seconds, not by minutes."""
    text = issue()
    assert check(text, now=NOW - timedelta(seconds=60)).sub == "user-17"
    with pytest.raises(CredentialMalformed):
        check(text, now=NOW - timedelta(seconds=60, microseconds=1))


def test_an_expired_token_can_still_sign_out() -> None:
    """Everything but its time must be good."""
    text = signed(header(), payload(exp=SECOND - 900, iat=SECOND - 1_200))
    expected: dict[str, Any] = {"keys": PUBLIC, "typ": "at+jwt"}
    found = token.read_ignoring_expiry(text, issuer=ISSUER, audience="api", **expected)
    assert found.sid == "Zk1pQhbKTfqkmFvJtJtBxw"
    with pytest.raises(CredentialExpired):
        found.require_current(NOW)
    with pytest.raises(WrongAudience):
        token.read_ignoring_expiry(text, issuer=ISSUER, audience="web", **expected)
    with pytest.raises(WrongIssuer):
        token.read_ignoring_expiry(text, issuer="https://b.example", audience="api", **expected)


def test_the_client_decides_what_audience_and_typ_are_expected() -> None:
    """Both may be functions of the client_id; one that knows no such client may refuse."""
    assert check(issue(), audience=lambda client: client, typ={"api": "at+jwt"}.__getitem__)
    assert check(issue(), audience=None).aud == ("api",)
    with pytest.raises(WrongAudience):
        check(issue(), audience=lambda client: f"{client}-v2")

    def unknown(_: str) -> str:
        raise ClientUnknown

    with pytest.raises(ClientUnknown):
        check(issue(), typ=unknown)


def test_a_token_does_not_show_its_time_in_another_zone() -> None:
    """Times are aware and UTC, whole seconds."""
    found = check(issue(changed(iat=datetime.fromisoformat("2026-11-23T13:00:00.9+01:00"))))
    assert found.iat == NOW
    assert found.exp.utcoffset() == timedelta(0)
