"""Which client a program speaks for at /oauth: proven by its secret, in one of two places."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

import live
from counterfoil.drive import drive
from programs import basic, post, program, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_SECRET = "cfs_" + "A" * 43
CALLS = ("introspect", "revoke", "token")
GRANT = {"token": "nothing", "grant_type": "refresh_token", "refresh_token": "nothing"}


def asked(site: live.Site, headers: dict[str, str] | None = None, **fields: str) -> live.Answer:
    return post(site, "introspect", urlencode({"token": "nothing", **fields}), headers)


def test_a_program_proves_its_client_in_the_header_or_in_the_body(site: live.Site) -> None:
    """client_secret_basic and client_secret_post."""
    ours = program(site)
    for answer in (
        asked(site, ours.headers()),
        asked(site, ours.headers(), client_id="api"),
        asked(site, client_id="api", client_secret=ours.secret),
        asked(site, basic("api", ours.secret) | {"Cookie": "__Host-cf_web=x"}),
    ):
        assert (answer.status, answer.json) == (200, {"active": False})


def test_both_parts_of_basic_are_form_encoded(site: live.Site) -> None:
    """RFC 6749 §2.3.1; some encode more than they must, and that is the same secret."""
    ours = program(site)
    every = "".join(f"%{ord(each):02X}" for each in ours.secret)
    header = f"basic {b64encode(f'%61pi:{every}'.encode()).decode()}"
    assert asked(site, {"Authorization": header}).status == 200


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({}, {}),
        ({}, {"client_id": "api"}),
        ({}, {"client_secret": NO_SECRET}),
        ({}, {"client_id": "api", "client_secret": NO_SECRET}),
        ({}, {"client_id": "nobody", "client_secret": NO_SECRET}),
        ({}, {"client_id": "api", "client_secret": ""}),
        (basic("api", NO_SECRET), {}),
        (basic("api", ""), {}),
        (basic("nobody", NO_SECRET), {}),
        (basic("\0", "\U0001f600"), {}),
        ({"Authorization": "Bearer eyJ"}, {}),
        ({"Authorization": "Basic"}, {}),
        ({"Authorization": "Basic !"}, {}),
        ({"Authorization": "Basic YXBp"}, {}),
        ({"Authorization": "Basic JTp4"}, {}),
        ({"Authorization": "Basic /zp4"}, {}),
    ],
)
def test_who_proves_nothing_is_refused(
    site: live.Site, call: str, headers: dict[str, str], fields: dict[str, str]
) -> None:
    """invalid_client with 401, and the scheme that would do (RFC 6749 §5.2)."""
    answer = post(site, call, urlencode({**GRANT, **fields}), headers)
    assert (answer.status, answer.json["error"]) == (401, "invalid_client"), answer
    assert answer.json["code"] == "client_refused"
    assert answer.header("www-authenticate") == 'Basic realm="counterfoil", charset="UTF-8"'
    assert answer.header("cache-control") == "no-store"


def test_the_secret_of_another_client_is_none(site: live.Site) -> None:
    """Whatever else the other one may do."""
    ours = program(site)
    assert asked(site, basic("partner", ours.secret)).status == 401
    assert asked(site, basic("web", ours.secret)).status == 401


def test_two_ways_at_once_are_one_too_many(site: live.Site) -> None:
    """RFC 6749 §2.3; and two names for the one who calls are no name."""
    ours = program(site)
    answer = asked(site, ours.headers(), client_secret=ours.secret)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert asked(site, ours.headers(), client_id="partner").status == 401


def test_two_secrets_are_good_while_programs_change_over(site: live.Site) -> None:
    """A revoked one is refused at the very next call, in every process."""
    former = program(site, "partner")
    secrets = secrets_of(site)
    current = drive(secrets.add("partner", at=datetime.now(UTC)))
    assert asked(site, former.headers()).status == 200
    assert asked(site, basic("partner", current)).status == 200
    assert drive(secrets.revoke("partner", newest=False)) == 1
    assert asked(site, former.headers()).status == 401
    assert asked(site, basic("partner", current)).status == 200


@pytest.fixture
def own(tmp_path: Path) -> Iterator[live.Site]:
    with live.serving(tmp_path / "data") as site:
        yield site


def test_guesses_are_slowed_and_harm_nobody(own: live.Site) -> None:
    """Past the free ones 429, for wrong secrets alone: the right one, and people who sign in from
    the same address, never wait. Each that was let through is in the trail."""
    ours = program(own)
    assert own.server is not None
    wrong = [asked(own, basic("api", NO_SECRET)).status for _ in range(302)]
    assert wrong == [401] * 300 + [429] * 2
    slowed = asked(own, basic("api", NO_SECRET))
    assert (slowed.code, slowed.header("retry-after")) == ("too_many_attempts", "1")
    assert asked(own, ours.headers()).status == 200
    events: list[dict[str, Any]] = (
        own.administrator().call("GET", "/v1/admin/events?limit=1000").json["events"]
    )
    refused = [event for event in events if event["kind"] == "client_refused"]
    assert len(refused) == 300
    assert {event["client_id"] for event in refused} == {"api"}


def test_no_secret_is_kept_or_told(own: live.Site) -> None:
    """Not in the database, not in the trail, not in an answer."""
    ours = program(own)
    answers = [
        asked(own, ours.headers()),
        asked(own, basic("partner", ours.secret)),
        asked(own, client_id="api", client_secret=ours.secret + "x"),
        own.administrator().call("GET", "/v1/admin/events"),
        own.administrator().call("GET", "/v1/admin/clients"),
    ]
    assert all(ours.secret.encode() not in answer.raw for answer in answers)
    kept = b"".join(file.read_bytes() for file in own.data.iterdir() if file.is_file())
    assert ours.secret.encode() not in kept
    assert ours.secret.removeprefix("cfs_").encode() not in kept
