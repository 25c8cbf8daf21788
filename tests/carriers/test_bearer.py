"""The bearer header, and the one credential of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import errors
from counterfoil.carriers import bearer, request
from counterfoil.carriers.cookie import CookieReader
from counterfoil.client import Client
from counterfoil.credential import Presented

READER = CookieReader([Client(client_id="web", strategy="session", carrier="cookie")])
COOKIE = (b"cookie", b"__Host-cf_web=cf_cookie")


def authorization(value: bytes) -> tuple[bytes, bytes]:
    return (b"authorization", value)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
def test_a_bearer_token_is_presented(scheme: bytes) -> None:
    """The scheme's case does not matter (RFC 9110 §11.1); the token's does."""
    found = bearer.read([(b"host", b"a"), authorization(scheme + b" cf_aB.-_~+/9==")])
    assert found == Presented("cf_aB.-_~+/9==", "bearer", None)


def test_without_the_header_it_is_absent() -> None:
    """Absent is None; a header with another name is another header."""
    assert (
        bearer.read([(b"x-authorization", b"Bearer a"), (b"authorization_", b"Bearer a")]) is None
    )


MALFORMED = [
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer  a",
    b"Bearer\ta",
    b" Bearer a",
    b"Bearer a ",
    b"Bearer a b",
    b"Bearer a,b",
    b"Bearer a=b",
    b"Bearer =",
    b"Bearer a\n",
    b"Bearer \xc3\xa9",
    b"Bearer:a",
    b"Basic YTpi",
    b"DPoP a",
    b"a",
]


@pytest.mark.parametrize("value", MALFORMED)
def test_every_other_form_is_refused(value: bytes) -> None:
    """One space, one token of token68, nothing around it."""
    with pytest.raises(errors.CredentialMalformed):
        bearer.read([authorization(value)])


def test_a_long_token_is_read_and_an_endless_one_refused() -> None:
    """8 KiB is a token with many claims; past 16 KiB nothing is looked at."""
    assert bearer.read([authorization(b"Bearer " + b"a" * 8192)]) is not None
    with pytest.raises(errors.TooLarge):
        bearer.read([authorization(b"Bearer " + b"a" * bearer.LIMIT)])


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"Bearer " + tail))
def test_whatever_arrives_is_read_byte_exact_or_refused_as_ours(value: bytes) -> None:
    """No exception outside our hierarchy, and the text is the header's own bytes."""
    try:
        found = bearer.read([authorization(value)])
    except errors.CounterfoilError:
        return
    assert found is not None
    assert value[:7].lower() == b"bearer "
    assert value[7:] == found.text.encode("ascii")


# Which of them a request presents.


def test_a_request_presents_its_header_else_its_cookie_else_nothing() -> None:
    """One credential a request."""
    header = authorization(b"Bearer cf_header")
    assert request.require([header], READER) == Presented("cf_header", "bearer", None)
    assert request.require([COOKIE], READER) == Presented("cf_cookie", "cookie", "web")
    assert request.find([], READER) is None
    assert request.find([COOKIE], READER, client_id="other") is None
    with pytest.raises(errors.CredentialMissing):
        request.require([], READER)


def test_s18_a_bearer_header_beside_a_cookie_authenticates_as_bearer() -> None:
    """So the check against cross-site writes is skipped only for what no other site can send."""
    for headers in (
        [COOKIE, authorization(b"Bearer cf_header")],
        [authorization(b"Bearer cf_header"), COOKIE],
    ):
        assert request.require(headers, READER) == Presented("cf_header", "bearer", None)


@pytest.mark.parametrize("value", MALFORMED)
def test_s18_a_header_that_is_no_bearer_never_falls_back_to_the_cookie(value: bytes) -> None:
    """Its presence alone decides the carrier (opentag PR 203)."""
    with pytest.raises(errors.CredentialMalformed):
        request.find([COOKIE, authorization(value)], READER)


def test_s19_two_authorization_headers_are_refused() -> None:
    """Equal ones too: another reader may have seen them otherwise."""
    header = authorization(b"Bearer cf_header")
    with pytest.raises(errors.Malformed):
        bearer.read([header, header])
    with pytest.raises(errors.Malformed):
        request.find([header, COOKIE, authorization(b"Basic YTpi")], READER)


# The challenge.


def test_a_missing_credential_is_challenged_without_an_error() -> None:
    """RFC 6750 §3.1: no error code where nothing was presented; §3: at least one parameter."""
    plain = (b"www-authenticate", b'Bearer realm="counterfoil"')
    assert bearer.challenge(errors.CredentialMissing()) == plain
    assert bearer.challenge(errors.SignInRefused()) == plain


def test_a_refused_credential_is_challenged_with_its_code_alone() -> None:
    """The detail stays in the body, where nothing needs quoting."""
    name, value = bearer.challenge(errors.SessionRevoked('a "detail"'))
    assert name == b"www-authenticate"
    assert value == (
        b'Bearer realm="counterfoil", error="invalid_token", error_description="session_revoked"'
    )
