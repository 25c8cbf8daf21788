"""Requests as they are told: what went over the wire, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import serving
from counterfoil.server.lab.calling import Caller, NotAsSaid, cut_short

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "__Host-cf_web=cf_abcdefghijkl; Max-Age=60; Path=/",
            "__Host-cf_web=cf_abc…ijkl (15 characters); Max-Age=60; Path=/",
        ),
        ("Bearer eyJhbGciOiJFUzI1NiJ9", "Bearer eyJhbG…NiJ9 (20 characters)"),
        ('Bearer realm="counterfoil"', 'Bearer realm="counterfoil"'),
        ("__Host-cf_web=; Max-Age=0", "__Host-cf_web=; Max-Age=0"),
        ("no-store", "no-store"),
    ],
)
def test_a_secret_is_cut_short_and_nothing_else(line: str, told: str) -> None:
    """Ten characters of it, and how many there are."""
    assert cut_short(line) == told


def test_an_answer_says_what_was_sent_and_received(bench: Bench) -> None:
    """The lines that matter, sizes, and the store calls that the server counted."""
    person = bench.person()
    answer = bench.try_sign_in(person, "web")
    assert answer.sent[0] == "POST /v1/sessions"
    assert person.password not in " ".join(answer.sent)
    assert answer.received[0] == "201 Created"
    assert answer.received[1].startswith("Set-Cookie: __Host-cf_web=cf_")
    assert answer.received[-1].endswith(', "elsewhere_within_seconds": 0, …}')
    assert [call.name for call in answer.store][-1] == "commit"
    assert 0 < answer.inside <= answer.milliseconds
    assert answer.bytes_received > sum(map(len, answer.received[:2]))


def test_what_is_not_as_expected_is_said(bench: Bench) -> None:
    """In one sentence, with the code."""
    refused = bench.call("GET", "/v1/session")
    assert refused.said == "401 credential_missing"
    with pytest.raises(NotAsSaid, match=r"^The answer was 401 credential_missing, not 200\.$"):
        refused.expect(200)


def test_a_server_that_is_not_there_is_said_too() -> None:
    """Nothing else is raised."""
    with serving.answering(serving.saying(serving.bytes_of(b""))) as gone:
        port = int(gone.url.rpartition(":")[2])
    with pytest.raises(NotAsSaid, match="does not answer"):
        Caller(port)("GET", "/")
