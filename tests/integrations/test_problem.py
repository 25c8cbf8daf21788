"""Problem details: every error has a status, a code and a next step."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from counterfoil import errors
from counterfoil.integrations.problem import STATUS_OF_CODE, problem, status_of

LATER = datetime(2026, 11, 23, 12, 0, 0, 250000, tzinfo=timezone(timedelta(hours=1)))
KINDS = {errors.CounterfoilError, errors.AuthError, errors.Unavailable, errors.ConfigurationError}


def every_error(root: type[errors.CounterfoilError]) -> list[type[errors.CounterfoilError]]:
    ours = [kind for kind in root.__subclasses__() if kind.__module__ == errors.__name__]
    return [root, *(found for kind in ours for found in every_error(kind))]


CONCRETE = [kind for kind in every_error(errors.CounterfoilError) if kind not in KINDS]


def one_of(kind: type[errors.CounterfoilError]) -> errors.CounterfoilError:
    needed: dict[type[errors.CounterfoilError], dict[str, Any]] = {
        errors.NotRevocable: {"expires_at": LATER},
        errors.KeyTooNew: {"available_at": LATER},
        errors.TooManyAttempts: {"retry_after": timedelta(seconds=90)},
    }
    return kind(**needed.get(kind, {}))


@pytest.mark.parametrize("kind", CONCRETE)
def test_every_error_has_a_status_and_says_what_to_do(kind: type[errors.CounterfoilError]) -> None:
    """A new error must enter the table, and unknown codes must not hide behind a default."""
    answer = problem(one_of(kind))
    assert answer.status == STATUS_OF_CODE[kind.code]
    assert answer.body["code"] == kind.code
    assert answer.body["next_step"] == kind.next_step != ""
    assert answer.body["detail"]
    assert answer.body["title"]
    assert (answer.status == 503) == issubclass(kind, errors.Unavailable)


def test_codes_are_unique_and_the_table_names_no_others() -> None:
    """The code is what a program goes by. A kind of its own of what another error says, so that a
    program can tell it apart in Python, has that one's code."""
    codes = [kind.code for kind in CONCRETE if kind.__base__ not in CONCRETE]
    assert sorted(codes) == sorted(STATUS_OF_CODE)


@pytest.mark.parametrize("kind", CONCRETE)
def test_s3_no_answer_is_cached_or_shared(kind: type[errors.CounterfoilError]) -> None:
    """What depends on a credential is no-store and varies by both carriers."""
    headers = dict(problem(one_of(kind)).headers)
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"vary"] == b"Cookie, Authorization"


@pytest.mark.parametrize("kind", CONCRETE)
def test_a_challenge_stands_on_401_and_nowhere_else(kind: type[errors.CounterfoilError]) -> None:
    """RFC 9110 §15.5.2 requires it; cannot know is never 401."""
    answer = problem(one_of(kind))
    assert (b"www-authenticate" in dict(answer.headers)) == (answer.status == 401)


@pytest.mark.parametrize("kind", CONCRETE)
def test_retry_after_stands_on_429_and_503(kind: type[errors.CounterfoilError]) -> None:
    """Also when the error does not know how long."""
    answer = problem(one_of(kind))
    headers = dict(answer.headers)
    assert (b"retry-after" in headers) == (answer.status in {429, 503})
    if b"retry-after" in headers:
        assert int(headers[b"retry-after"]) == answer.body["retry_after"] >= 1


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        (None, 1),
        (timedelta(0), 1),
        (timedelta(seconds=-5), 1),
        (timedelta(milliseconds=1001), 2),
        (timedelta(seconds=90), 90),
    ],
)
def test_retry_after_is_whole_seconds_and_never_too_short(
    wait: timedelta | None, seconds: int
) -> None:
    """Rounded up: who comes back at that time is not too early."""
    answer = problem(errors.StoreUnavailable(retry_after=wait))
    assert (b"retry-after", b"%d" % seconds) in answer.headers
    assert answer.body["retry_after"] == seconds


def test_moments_are_rfc_3339_in_utc_and_not_rounded() -> None:
    """A rounded moment would be too early."""
    moment = "2026-11-23T11:00:00.250000Z"
    assert problem(errors.NotRevocable(expires_at=LATER)).body["expires_at"] == moment
    assert problem(errors.KeyTooNew(available_at=LATER)).body["available_at"] == moment
    assert problem(errors.NotRevocable(expires_at=LATER.replace(microsecond=0, tzinfo=UTC))).body[
        "expires_at"
    ] == ("2026-11-23T12:00:00Z")


def test_the_detail_of_the_error_is_told() -> None:
    """It never holds a credential, by the rule of errors.py."""
    body = problem(errors.Malformed("Member 3 repeats.")).body
    assert body == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Member 3 repeats.",
        "code": "malformed",
        "next_step": errors.Malformed.next_step,
    }
    assert json.loads(json.dumps(body)) == body


def test_a_wrong_set_up_is_500_and_tells_nothing() -> None:
    """Its text names files and settings."""
    answer = problem(errors.ConfigurationError("Set K in /etc/counterfoil/secret."))
    assert answer.status == 500
    assert set(answer.body) == {"type", "title", "status"}
    assert (b"cache-control", b"no-store") in answer.headers


def test_an_error_of_a_plug_keeps_its_kind() -> None:
    """Cannot know stays 503, no stays 403, also under a code that the table lacks."""

    class OwnRefusal(errors.AuthError):
        code = "own_refusal"

    class OwnOutage(errors.Unavailable):
        code = "own_outage"

    assert status_of(OwnRefusal()) == 403
    assert status_of(OwnOutage()) == 503
    assert status_of(errors.CounterfoilError()) == 500
