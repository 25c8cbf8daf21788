"""`confirm` and `aconfirm`: what a verifier cannot decide by itself, it asks the issuer."""

from __future__ import annotations

import asyncio
import json

import pytest

from counterfoil import Verifier
from counterfoil.errors import AuthError, IssuerUnavailable, SessionRevoked, WrongAudience
from counterfoil.integrations.problem import problem
from forging import NOW
from serving import bytes_of
from verifying import HANDLE, STATUS, scene

YES = {
    "subject": "user-17",
    "session_id": "Zk1pQhbKTfqkmFvJtJtBxw",
    "client_id": "api",
    "strategy": "hybrid",
    "claims": {"roles": ["admin"]},
    "as_of": "2026-11-23T12:00:00Z",
    "expires_at": "2026-11-23T12:05:00Z",
}


def yes(**changes: object) -> bytes:
    return bytes_of(json.dumps({**YES, **changes}).encode())


def test_confirm_asks_the_issuer_about_a_token_with_a_status() -> None:
    """Which `check` cannot decide; sync and async alike."""
    with scene(session=yes()) as s:
        token = s.token(status=STATUS)
        confirmed = s.verifier.confirm(token)
        assert (confirmed.strategy, confirmed.as_of) == ("hybrid", NOW)
        assert asyncio.run(s.verifier.aconfirm(token)) == confirmed
        assert f"Authorization: Bearer {token}\r\n" in s.server.asked[-1]


@pytest.mark.parametrize(
    "other", [{"session_id": "b" * 22}, {"subject": "user-18"}, {"client_id": "partner"}], ids=str
)
def test_an_answer_about_somebody_else_is_no_answer(other: dict[str, str]) -> None:
    """A cache on the way that does not look at Authorization would make one person another."""
    with scene(session=yes(**other)) as s:
        with pytest.raises(IssuerUnavailable, match="about another"):
            s.verifier.confirm(s.token())
        assert s.verifier.check(s.token()).subject == "user-17"


def test_confirm_takes_a_handle_of_this_audience() -> None:
    """Of a client that has another id, only when the issuer names the audience."""
    with scene(session=yes(client_id="web", audience="api")) as s:
        assert s.verifier.confirm(HANDLE).client_id == "web"
    with scene(session=yes(client_id="web")) as s, pytest.raises(WrongAudience):
        s.verifier.confirm(HANDLE)


def test_confirm_asks_nothing_about_a_token_that_is_none_of_ours() -> None:
    """A flood of forgeries stays here; and a token for another audience is refused here."""
    with scene(session=yes()) as s:
        for token in (s.token()[:-6] + "AAAAAA", s.token(aud="web"), "a.b.c", ""):
            with pytest.raises(AuthError):
                s.verifier.confirm(token)
        assert s.asked_for("/v1/session") == 0


def test_confirm_needs_no_entering() -> None:
    """It waits for the keys, as it waits for the answer."""
    with scene(session=yes()) as s:
        verifier = Verifier(issuer=s.server.url, audience="api", clock=s.clock)
        assert verifier.confirm(s.token()).subject == "user-17"
        verifier.close()


def test_a_no_of_the_issuer_is_raised_as_its_own_error() -> None:
    """An issuer that cannot be reached is another matter."""
    no = problem(SessionRevoked("It has ended."))
    with scene(session=bytes_of(json.dumps(no.body).encode(), status=no.status)) as s:
        token = s.token()
        with pytest.raises(SessionRevoked, match="It has ended"):
            s.verifier.confirm(token)
        s.server.stop()
        with pytest.raises(IssuerUnavailable):
            s.verifier.confirm(token)


def test_no_repr_and_no_error_holds_a_credential() -> None:
    """They end up in logs."""
    with scene() as s:
        token = s.token()
        with pytest.raises(IssuerUnavailable) as caught:
            s.verifier.confirm(token)
        told = f"{caught.value!r} {caught.value.__cause__!r} {s.verifier!r}"
        assert token not in told
        assert token.rpartition(".")[2] not in told
