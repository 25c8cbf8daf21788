"""Errors as RFC 9457 problem details, with a stable `code` and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from counterfoil.carriers import bearer
from counterfoil.errors import AuthError, ClientRefused, CounterfoilError, Unavailable
from counterfoil.lifetime import seconds_up

BASIC = 'Basic realm="counterfoil", charset="UTF-8"'  # the challenge where a client's secret counts
_DEFAULT_WAIT = timedelta(seconds=1)

_CODES_OF_STATUS = {
    400: "malformed client_unknown",
    401: "credential_missing credential_malformed signature_mismatch key_unknown"
    " credential_expired wrong_issuer wrong_audience session_unknown session_revoked"
    " session_expired claims_stale refresh_unknown refresh_reused sign_in_refused"
    " client_refused",
    403: "forbidden cross_site registration_closed step_up_required subject_suspended",
    404: "not_found",
    409: "claims_too_large identifier_taken not_revocable key_too_new",
    413: "too_large",
    422: "password_refused",
    429: "too_many_attempts",
    503: "status_stale keys_stale store_unavailable issuer_unavailable overloaded",
}
STATUS_OF_CODE = {
    code: status for status, codes in _CODES_OF_STATUS.items() for code in codes.split()
}


class Problem(NamedTuple):
    """An answer: its status, its headers, and the object to send as JSON."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: dict[str, Any]


def status_of(error: CounterfoilError) -> int:
    """The HTTP status. A code that is not ours keeps its kind: no is 403, cannot know is 503.

    A wrong set-up is nobody's business outside: 500.
    """
    if isinstance(error, Unavailable):
        return 503
    return STATUS_OF_CODE.get(error.code, 403 if isinstance(error, AuthError) else 500)


def problem(error: CounterfoilError) -> Problem:
    """The answer to this error, never stored and different for each credential."""
    status = status_of(error)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
    }
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Cookie, Authorization"),
    ]
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(status, headers, body)

    body["detail"] = error.detail or f"{error.code.replace('_', ' ').capitalize()}."
    body["code"] = error.code
    body["next_step"] = error.next_step
    for name in ("expires_at", "available_at"):
        moment = getattr(error, name, None)
        if moment is not None:
            body[name] = _rfc3339(moment)
    if status in {429, 503}:
        body["retry_after"] = _whole_seconds(getattr(error, "retry_after", None))
        headers.append((b"retry-after", b"%d" % body["retry_after"]))
    if isinstance(error, ClientRefused):
        headers.append((b"www-authenticate", BASIC.encode()))
    elif status == HTTPStatus.UNAUTHORIZED and isinstance(error, AuthError):
        headers.append(bearer.challenge(error))
    return Problem(status, headers, body)


def _whole_seconds(wait: timedelta | None) -> int:
    return max(1, seconds_up(_DEFAULT_WAIT if wait is None else wait))


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
