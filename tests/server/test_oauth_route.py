"""How a call of /oauth is read: a form in the body, nothing in the address, nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from programs import FORM, post, program

if TYPE_CHECKING:
    import live

CALLS = ("introspect", "revoke", "token")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("", FORM),
        ("token=a&token=a&grant_type=refresh_token&refresh_token=a&refresh_token=a", FORM),
        ("unknown=1&unknown=2", FORM),
        ("token=%zz", FORM),
        ("token=&grant_type=", FORM),
        ('{"token": "a"}', "application/json"),
        ("token=a", "text/plain"),
    ],
)
def test_what_cannot_be_read_is_an_invalid_request(
    site: live.Site, call: str, body: str, content_type: str
) -> None:
    """A parameter without a value counts as left out, and one that is there twice is refused even
    where it is not known (RFC 6749 §3.2)."""
    headers = {**program(site).headers(), "Content-Type": content_type}
    answer = post(site, call, body, headers)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request"), answer
    assert answer.json["code"] == "malformed"


@pytest.mark.parametrize("call", CALLS)
def test_nothing_may_stand_in_the_address(site: live.Site, call: str) -> None:
    """Addresses are logged."""
    headers = {**program(site).headers(), "Content-Type": FORM}
    answer = site.call("POST", f"/oauth/{call}?token=a", b"token=a", headers)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def test_a_parameter_that_is_not_known_is_ignored(site: live.Site) -> None:
    """RFC 6749 §3.2: extensions must not break who does not know them."""
    ours = program(site)
    assert ours.introspect("nothing", resource="x", token_type_hint="what").status == 200


def test_a_body_has_an_end(site: live.Site) -> None:
    """413 in OAuth's words, too."""
    answer = program(site).introspect("x" * 70_000)
    assert (answer.status, answer.json["error"], answer.json["code"]) == (
        413,
        "invalid_request",
        "too_large",
    )


@pytest.mark.parametrize("call", CALLS)
def test_only_post_is_for_this(site: live.Site, call: str) -> None:
    """A GET would put the credential into the address."""
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        answer = site.call(method, f"/oauth/{call}")
        assert (answer.status, answer.header("allow")) == (405, "POST")


def test_no_page_may_read_an_answer(site: live.Site) -> None:
    """There is no CORS here: a secret in a page is none."""
    ours = program(site)
    headers = {**ours.headers(), "Origin": "https://app.example"}
    answer = post(site, "introspect", "token=a", headers)
    names = {name.lower() for name, _ in answer.headers}
    assert not {name for name in names if name.startswith("access-control-")}
    assert (answer.header("cache-control"), answer.header("pragma")) == ("no-store", "no-cache")


def test_every_description_is_in_the_characters_of_the_rfc(site: live.Site) -> None:
    """RFC 6749 §5.2: visible ASCII without quotes and backslashes; and it says what to do."""
    ours = program(site)
    for answer in (
        ours.call("introspect"),
        ours.call("token", grant_type="password"),
        ours.refresh("cf_" + "a" * 60),
        post(site, "revoke", "token=a"),
    ):
        said = answer.json["error_description"]
        assert said.isascii()
        assert said.isprintable()
        assert not {'"', "\\"} & set(said)
        assert said.endswith(".")
