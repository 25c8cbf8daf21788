"""Cookies: what is read is what the browser was given, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterfoil.carriers import cookie
from counterfoil.carriers.cookie import CookieReader, clear_cookies, set_cookies
from counterfoil.client import Client
from counterfoil.credential import Credential, Presented
from counterfoil.errors import (
    ConfigurationError,
    CounterfoilError,
    CredentialExpired,
    CredentialMalformed,
    Malformed,
    TooLarge,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
WEB = Client(client_id="web", strategy="session", carrier="cookie")
APP = Client(client_id="app", strategy="hybrid", carrier="cookie")
API = Client(client_id="api", strategy="hybrid", carrier="bearer")
READER = CookieReader([WEB, APP, API])


def cookies(*fields: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"app.example"), *((b"cookie", field) for field in fields)]


def credential(**changes: object) -> Credential:
    fields: dict[str, object] = {
        "carrier": "cookie",
        "client_id": "app",
        "strategy": "hybrid",
        "issued_at": NOW,
        "token": "head.c.sig",
        "expires_at": NOW + timedelta(minutes=5),
        "refresh_handle": "cf_handle",
        "refresh_expires_at": NOW + timedelta(days=7),
    }
    return Credential(**{**fields, **changes})  # type: ignore[arg-type]


# Reading.


def test_the_cookie_of_a_client_is_presented_with_its_client_id() -> None:
    """The name says whose credential it is; other cookies around it do not matter."""
    presented = READER.credential(cookies(b"theme=dark; __Host-cf_web=cf_abc; x=1"))
    assert presented == Presented("cf_abc", "cookie", "web")


@pytest.mark.parametrize("field", [b"", b"theme=dark", b"__Host-cf_api=cf_abc", b";;; ;"])
def test_no_cookie_of_a_cookie_client_is_absent(field: bytes) -> None:
    """Absent is None, also when the cookie would be a bearer client's."""
    assert READER.credential(cookies(field)) is None
    assert READER.refresh_handle(cookies(field)) is None


def test_without_any_cookie_header_it_is_absent() -> None:
    """Absent is None."""
    assert READER.credential(cookies()) is None


def test_cookies_split_over_several_fields_are_read_as_one() -> None:
    """HTTP/2 may send one field for each pair (RFC 9113 §8.2.3)."""
    presented = READER.credential(cookies(b"theme=dark", b"__Host-cf_web=cf_abc"))
    assert presented == Presented("cf_abc", "cookie", "web")


def test_several_clients_are_refused_until_one_is_named() -> None:
    """The reader never guesses which of two credentials is meant."""
    headers = cookies(b"__Host-cf_web=cf_abc; __Host-cf_app=h.c.s; __Host-cf_app_r=cf_def")
    with pytest.raises(Malformed):
        READER.credential(headers)
    with pytest.raises(Malformed):
        READER.refresh_handle(headers)
    assert READER.credential(headers, client_id="web") == Presented("cf_abc", "cookie", "web")
    assert READER.credential(headers, client_id="app") == Presented("h.c.s", "cookie", "app")
    assert READER.credential(headers, client_id="api") is None


def test_a_refresh_cookie_speaks_for_its_client_as_the_credential_does() -> None:
    """Else who has two sessions would go on as the other person once the first token has gone."""
    headers = cookies(b"__Host-cf_web=cf_abc; __Host-cf_app_r=cf_def")
    with pytest.raises(Malformed):
        READER.credential(headers)
    assert READER.credential(headers, client_id="web") == Presented("cf_abc", "cookie", "web")
    with pytest.raises(CredentialExpired):
        READER.credential(headers, client_id="app")


def test_what_renews_is_the_refresh_cookie_or_the_session_handle_itself() -> None:
    """A session client's one cookie is both."""
    signing = cookies(b"__Host-cf_app=h.c.s; __Host-cf_app_r=cf_def")
    assert READER.refresh_handle(signing) == Presented("cf_def", "cookie", "app")
    assert READER.refresh_handle(cookies(b"__Host-cf_app=h.c.s")) is None
    session = cookies(b"__Host-cf_web=cf_abc")
    assert READER.refresh_handle(session) == Presented("cf_abc", "cookie", "web")


def test_a_refresh_cookie_alone_means_that_the_credential_expired() -> None:
    """The browser dropped the access cookie at its end, and the person is no stranger."""
    headers = cookies(b"__Host-cf_app_r=cf_def")
    with pytest.raises(CredentialExpired):
        READER.credential(headers)
    with pytest.raises(CredentialExpired):
        READER.credential(headers, client_id="app")
    assert READER.credential(headers, client_id="web") is None


def test_the_refresh_cookie_is_never_taken_for_a_client_named_like_it() -> None:
    """Names are looked up among the known clients, not taken apart at `_r`."""
    named_so = Client(client_id="web_r", strategy="session", carrier="cookie")
    reader = CookieReader([WEB, named_so])
    presented = reader.credential(cookies(b"__Host-cf_web_r=cf_abc"))
    assert presented == Presented("cf_abc", "cookie", "web_r")


def test_two_clients_that_would_share_a_name_are_refused_at_the_start() -> None:
    """`app_r` beside a signing `app` cannot be told apart by anyone."""
    named_so = Client(client_id="app_r", strategy="session", carrier="cookie")
    for clients in ([APP, named_so], [named_so, APP]):
        with pytest.raises(ConfigurationError):
            CookieReader(clients)


@pytest.mark.parametrize(
    "value",
    [b"", b'"cf_abc"', b"cf_abc ", b" cf_abc", b"cf,abc", b"cf\\abc", b"cf\xc3\xa9", b"a=b", b"\0"],
)
def test_a_value_outside_the_charset_is_refused(value: bytes) -> None:
    """Quotes are not decoded and space is not trimmed: one credential is one text."""
    with pytest.raises(CredentialMalformed):
        READER.credential(cookies(b"__Host-cf_web=" + value))


def test_cookies_past_the_limit_are_too_large() -> None:
    """The sum of all fields counts, before anything is split."""
    with pytest.raises(TooLarge):
        READER.credential(cookies(*[b"a=" + b"b" * 998] * (cookie.LIMIT // 1000 + 1)))


# S5: cookie tossing and prefix bypass.


@pytest.mark.parametrize(
    "field",
    [
        b"__Host-cf_web=cf_abc; __Host-cf_web=cf_def",
        b"__Host-cf_web=cf_abc; __Host-cf_web=cf_abc",
        b"__Host-cf_web=cf_abc; theme=dark;__Host-cf_web=",
        b"__Host-cf_web=cf_abc; __Host-cf_app_r=cf_1; __Host-cf_app_r=cf_2",
    ],
)
def test_s5_a_name_of_ours_twice_is_refused(field: bytes) -> None:
    """Whichever of the two was tossed in, neither is used, nor is another client's."""
    first, _, second = field.rpartition(b"; ")
    for headers in (cookies(field), cookies(first, second)):
        with pytest.raises(Malformed):
            READER.credential(headers)
        with pytest.raises(Malformed):
            READER.refresh_handle(headers, client_id="web")


@pytest.mark.parametrize(
    "name",
    [
        b"\xe2\x80\x80__Host-cf_web",  # U+2000 in UTF-8: trimmed by str.strip
        b"\xa0__Host-cf_web",
        b"\x85__Host-cf_web",
        b"\x1c__Host-cf_web",
        b"\t__Host-cf_web",
        b"  __Host-cf_web",
        b"__Host-cf_web ",
        b"__host-cf_web",
        b"__HOST-cf_web",
        b"__Host-cf_WEB",
        b'"__Host-cf_web"',
        b"__Host-cf%5fweb",
        b"$Version=1,__Host-cf_web",
        b"cf_web",
    ],
)
def test_s5_a_name_that_only_resembles_ours_is_another_cookie(name: bytes) -> None:
    """The browser let anyone set it, for to the browser it has no `__Host-` prefix."""
    assert READER.credential(cookies(b"a=1; " + name + b"=cf_evil")) is None


@pytest.mark.parametrize(
    "field",
    [
        b"=__Host-cf_web=cf_evil",
        b"__Host-cf_web",
        b"; =__Host-cf_web=cf_evil",
        b'a="; b=__Host-cf_web=cf_evil"',
        b"$Version=1; a=__Host-cf_web=cf_evil",
    ],
)
def test_s5_a_nameless_cookie_or_a_value_never_becomes_a_name(field: bytes) -> None:
    """Werkzeug CVE-2023-23934: `=__Host-x=y` is a cookie without a name."""
    assert READER.credential(cookies(field)) is None


def test_s5_version_and_quotes_open_no_other_grammar() -> None:
    """`$Version` is one more cookie, and a quote does not hold pairs together."""
    headers = cookies(b'$Version=1; a="x; __Host-cf_web=cf_abc; $Path=/; b=y"')
    assert READER.credential(headers) == Presented("cf_abc", "cookie", "web")


PIECES = st.sampled_from(
    [
        b"__Host-cf_web",
        b"__Host-cf_app",
        b"__Host-cf_app_r",
        b"=",
        b"; ",
        b";",
        b" ",
        b"\t",
        b'"',
        b"$Version=1",
        b"cf_abc",
        b"\xe2\x80\x80",
        b"\xff",
        b"\0",
        b",",
        b"a",
    ]
)


@given(
    st.lists(st.lists(PIECES | st.binary(max_size=4), max_size=12).map(b"".join), max_size=3),
    st.sampled_from([None, "web", "app", "api", ""]),
)
@example([b"__Host-cf_web=cf_abc"], "web")
def test_whatever_arrives_is_read_byte_exact_or_refused_as_ours(
    fields: list[bytes], client_id: str | None
) -> None:
    """No exception outside our hierarchy; what is read stands in the field, pair for pair."""
    for read in (READER.credential, READER.refresh_handle):
        try:
            presented = read(cookies(*fields), client_id=client_id)
        except CounterfoilError as refused:
            assert "cf_abc" not in str(refused)  # noqa: PT017 - most inputs raise nothing
            continue
        if presented is None:
            continue
        assert client_id in {None, presented.client_id}
        pairs = [pair.removeprefix(b" ") for field in fields for pair in field.split(b";")]
        names = [cookie.cookie_name(str(presented.client_id))]
        names.append(cookie.refresh_cookie_name(str(presented.client_id)))
        wanted = [f"{name}={presented.text}".encode() for name in names]
        assert sum(pairs.count(pair) for pair in wanted) == 1


@given(st.text("abcXYZ019-_.", min_size=1, max_size=200))
def test_what_is_set_is_what_is_read_back(token: str) -> None:
    """A browser returns the pair as it was given."""
    given_out = set_cookies(credential(token=token, refresh_handle=f"r{token}"), now=NOW)
    field = b"; ".join(value.split(b"; ")[0] for _, value in given_out)
    assert READER.credential(cookies(field)) == Presented(token, "cookie", "app")
    assert READER.refresh_handle(cookies(field)) == Presented(f"r{token}", "cookie", "app")


# Setting.


def test_cookies_are_set_with_every_attribute_and_no_domain() -> None:
    """OWASP: Secure, HttpOnly, SameSite, Path=/; the prefix forbids Domain."""
    assert set_cookies(credential(), now=NOW) == [
        (
            b"set-cookie",
            b"__Host-cf_app=head.c.sig; Max-Age=300; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            b"set-cookie",
            b"__Host-cf_app_r=cf_handle; Max-Age=604800; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
    ]


def test_a_session_client_has_one_cookie() -> None:
    """Its handle is both what is presented and what renews."""
    handle = credential(client_id="web", strategy="session", token="cf_abc", refresh_handle=None)
    ((_, value),) = set_cookies(handle, now=NOW)
    assert value.startswith(b"__Host-cf_web=cf_abc; Max-Age=300; ")
    assert [value for _, value in clear_cookies(WEB)] == [
        b"__Host-cf_web=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
    ]


def test_a_credential_without_a_handle_clears_the_older_refresh_cookie() -> None:
    """Otherwise the next refresh would bring back the session of who signed in before."""
    without = credential(refresh_handle=None, refresh_expires_at=None)
    names = [value for _, value in set_cookies(without, now=NOW)]
    assert names[1].startswith(b"__Host-cf_app_r=; Max-Age=0; ")


def test_clearing_names_both_cookies_with_their_attributes() -> None:
    """A browser refuses a `__Host-` cookie, an empty one too, without Secure and Path=/."""
    cleared = [value for _, value in clear_cookies(APP)]
    assert [value.split(b"=")[0] for value in cleared] == [b"__Host-cf_app", b"__Host-cf_app_r"]
    assert all(b"=; Max-Age=0; Path=/; Secure; " in value for value in cleared)


def test_a_cookie_that_browsers_would_drop_is_too_large() -> None:
    """4096 bytes of name and value pass, one more does not."""
    room = cookie.LARGEST - len("__Host-cf_app")
    set_cookies(credential(token="a" * room), now=NOW)
    with pytest.raises(TooLarge):
        set_cookies(credential(token="a" * (room + 1)), now=NOW)


@pytest.mark.parametrize("token", ["", "a b", "a;b", "a\r\nb", "é", "\ud800", 'a"'])
def test_a_text_that_is_no_credential_is_not_set(token: str) -> None:
    """Nothing can end the pair and begin an attribute or a header."""
    with pytest.raises(CredentialMalformed):
        set_cookies(credential(token=token), now=NOW)


def test_a_bearer_clients_credential_is_in_no_cookie() -> None:
    """A cookie client's is under its own client's name, which the credential itself says."""
    with pytest.raises(ConfigurationError):
        set_cookies(credential(carrier="bearer"), now=NOW)
    ((_, value), _) = set_cookies(credential(client_id="other"), now=NOW)
    assert value.startswith(b"__Host-cf_other=")
