"""The classes J14, J15, J18 and J21: what a token says, when its issuer or its type is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil import jws, token
from counterfoil.errors import CredentialMalformed, WrongIssuer
from forging import ISSUER, NOW, PUBLIC, SECOND, header, payload, signed

if TYPE_CHECKING:
    from counterfoil.token import AccessToken


def check(text: str, *, issuer: str = ISSUER, typ: str = "at+jwt") -> AccessToken:
    return token.check(text, keys=PUBLIC, issuer=issuer, audience="api", typ=typ, now=NOW)


@pytest.mark.parametrize("name", ["exp", "iat", "auth_time"])
@pytest.mark.parametrize(
    "value",
    [
        *(b"true", b"false", b"null", b'"1900000000"', b"1900000000.0", b"1900000000.5", b"1.9e9"),
        *(b"1e999", b"-1e999", b"NaN", b"Infinity", b"-Infinity", b"0", b"-1", b"-0", b"[]", b"{}"),
        *(b"[1900000000]", b"99999999999999999999", b"253402300800", b"9" * 5_000, b'""', b"01"),
    ],
)
def test_j14_a_time_is_a_whole_number_of_seconds(name: str, value: bytes) -> None:
    """No text, fraction, truth value, infinity or number that no calendar has."""
    body = payload(**{name: 987_654_321}).replace(b"987654321", value)
    with pytest.raises(CredentialMalformed):
        check(signed(header(), body))


@pytest.mark.parametrize("name", ["iss", "sub", "jti", "sid", "client_id", "aud"])
@pytest.mark.parametrize(
    "value", [7, True, ["api", 7], {"a": 1}, "", " ", "a\n", "é", "x" * 256, [], [[]], ["api", ""]]
)
def test_j14_a_name_is_a_short_visible_text(name: str, value: object) -> None:
    """Only the audience may be a list, and then of texts."""
    with pytest.raises(CredentialMalformed):
        check(signed(header(), payload(**{name: value})))


@pytest.mark.parametrize(
    "name", ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "auth_time"]
)
def test_j14_no_claim_of_the_profile_may_be_missing(name: str) -> None:
    """Absent is not the same as any (PyJWT and Hono let it pass)."""
    with pytest.raises(CredentialMalformed):
        check(signed(header(), payload(**{name: None})))


@pytest.mark.parametrize("issuer", ["https://app.exampl", "https://app.example/", "app", ""])
def test_j14_the_issuer_is_equal_or_wrong(issuer: str) -> None:
    """Not a part of it and not a longer one (CVE-2024-53861)."""
    with pytest.raises(WrongIssuer):
        check(signed(header(), payload()), issuer=issuer)


@pytest.mark.parametrize("roles", ["admin", {"admin": True}, [1], [["admin"]], 7, False])
def test_j14_roles_are_a_list_of_texts(roles: object) -> None:
    """A single text would be read as its letters."""
    with pytest.raises(CredentialMalformed):
        check(signed(header(), payload(roles=roles)))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"7",
        b"",
        b"\xef\xbb\xbf" + payload(),
        payload().decode().encode("utf-16"),
        payload()[:-1] + b',"sub":"root"}',
        payload()[:-1] + b',"\\u0073ub":"root"}',
        payload()[:-1] + b',"x":{"a":1,"a":2}}',
        payload()[:-1] + b',"x":"\\ud800"}',
        payload()[:-1] + b',"x":"\\u0000"}',
        payload()[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}",
        payload() + b" {}",
    ],
    ids=range(13),
)
def test_j15_a_payload_that_can_be_read_in_two_ways_is_read_in_none(body: bytes) -> None:
    """Even when the issuer has signed it."""
    with pytest.raises(CredentialMalformed):
        check(signed(header(), body))


@pytest.mark.parametrize(
    "status",
    [
        {},
        [],
        7,
        "valid",
        {"status_list": None},
        {"status_list": {}},
        {"status_list": {"idx": 1}},
        {"status_list": {"uri": "https://app.example/a"}},
        {"status_list": {"idx": "1", "uri": "https://app.example/a"}},
        {"status_list": {"idx": True, "uri": "https://app.example/a"}},
        {"status_list": {"idx": 1.0, "uri": "https://app.example/a"}},
        {"status_list": {"idx": -1, "uri": "https://app.example/a"}},
        {"status_list": {"idx": 1, "uri": 7}},
        {"status_list": {"idx": 1, "uri": ""}},
        {"status_list": {"idx": 1, "uri": "https://app.example/a", "x": 1}},
        {"status_list": {"idx": 1, "uri": "https://app.example/a"}, "other": {}},
    ],
)
def test_j18_a_status_that_cannot_be_read_is_not_taken_for_none(status: object) -> None:
    """A token that says it can be revoked, in words we do not know, is refused."""
    with pytest.raises(CredentialMalformed):
        check(signed(header(), payload(status=status)))


@pytest.mark.parametrize("condition", [{"nbf": SECOND - 9}, {"nbf": SECOND + 9}, {"cnf": {}}])
def test_j18_a_condition_that_is_not_checked_is_not_waived(condition: dict[str, object]) -> None:
    """A token bound to a key, or to a later time, is refused: we issue none."""
    with pytest.raises(CredentialMalformed):
        check(signed(header(), payload(**condition)))


TYPES = ("at+jwt", "JWT", "statuslist+jwt", "status-feed+jwt", "secevent+jwt", "dpop+jwt", "id+jwt")


@pytest.mark.parametrize("expected", TYPES)
@pytest.mark.parametrize("typ", TYPES)
def test_j21_a_token_of_one_type_is_no_token_of_another(typ: str, expected: str) -> None:
    """Whatever claims it has, and although the signature is good: the full matrix."""
    text = signed(header(typ=typ), payload())
    assert jws.parse(text).header.is_type(expected) == (typ == expected)
    if typ == expected:
        assert check(text, typ=expected).typ == typ
    else:
        with pytest.raises(CredentialMalformed):
            check(text, typ=expected)


@pytest.mark.parametrize(
    ("typ", "expected", "is_good"),
    [
        ("AT+JWT", "at+jwt", True),
        ("application/at+jwt", "at+jwt", True),
        ("Application/AT+JWT", "at+jwt", True),
        ("at+jwt", "application/at+jwt", True),
        ("jwt", "JWT", True),
        ("at+jw", "at+jwt", False),
        ("text/at+jwt", "at+jwt", False),
        ("application/application/at+jwt", "at+jwt", False),
        ("at+jwt;a=1", "at+jwt", False),
        (None, "at+jwt", False),
        (None, "JWT", False),
    ],
)
def test_j21_a_type_is_a_media_type(typ: str | None, expected: str, is_good: bool) -> None:  # noqa: FBT001
    """Without a slash it means application/<value>, in any case; missing is never enough."""
    text = signed(header(typ=typ), payload())
    if is_good:
        assert check(text, typ=expected).sub == "user-17"
    else:
        with pytest.raises(CredentialMalformed):
            check(text, typ=expected)


@pytest.mark.parametrize("typ", ["", " at+jwt", "at+jwt ", "at+jwt\0", 7, ["at+jwt"], {}])
def test_j21_a_type_that_is_no_name_is_malformed(typ: object) -> None:
    """Also null, which is not the same as missing."""
    with pytest.raises(CredentialMalformed):
        check(signed(header(typ=typ), payload()))
    with pytest.raises(CredentialMalformed):
        check(signed({**header(), "typ": None}, payload()))
