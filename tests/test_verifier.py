"""The verifier of a service that only checks: who passes, who is refused, and that nothing waits."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import ConfigurationError, Verifier, token_check
from counterfoil.errors import (
    AuthError,
    CredentialExpired,
    CredentialMalformed,
    IssuerUnavailable,
    KeysStale,
    KeyUnknown,
    SessionRevoked,
    SignatureMismatch,
    StatusStale,
    WrongAudience,
    WrongIssuer,
)
from counterfoil.integrations.problem import problem
from counterfoil.testing.clock import FrozenClock
from forging import KEYS, NOW, PUBLIC, SECOND, header, payload, signed
from serving import answering, bytes_of, saying, saying_json, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.client import Algorithm
    from serving import Server

JWKS = PUBLIC.to_jwks()
HANDLE = "cf_" + "a" * 60
REFETCH = timedelta(minutes=5)
HOUR = timedelta(hours=1)
STATUS = {"status_list": {"idx": 3, "uri": "https://app.example/status/lists/a"}}
YES = {
    "subject": "user-17",
    "session_id": "Zk1pQhbKTfqkmFvJtJtBxw",
    "client_id": "api",
    "strategy": "hybrid",
    "claims": {"roles": ["admin"]},
    "as_of": "2026-11-23T12:00:00Z",
    "expires_at": "2026-11-23T12:05:00Z",
}


class Scene:
    """A verifier of an issuer that publishes keys, and a clock that stands still."""

    def __init__(self, server: Server, stack: ExitStack, **settings: Any) -> None:
        self.server = server
        self.clock = FrozenClock(now=NOW)
        self.verifier = stack.enter_context(
            Verifier(issuer=server.url, **{"audience": "api", "clock": self.clock, **settings})
        )

    def token(self, algorithm: Algorithm = "ES256", **changes: object) -> str:
        claims = payload(iss=self.server.url, **changes)
        return signed(header(algorithm), claims, algorithm=algorithm)

    def refusal(self, token: str) -> AuthError:
        with pytest.raises(AuthError) as caught:
            self.verifier.check(token)
        return caught.value


@contextmanager
def scene(**settings: Any) -> Iterator[Scene]:
    with answering(saying_json(JWKS)) as server, ExitStack() as stack:
        yield Scene(server, stack, **settings)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_a_token_is_verified_whatever_its_clients_algorithm(algorithm: Algorithm) -> None:
    """The key says which it is."""
    with scene() as s:
        verified = s.verifier.check(s.token(algorithm))
    assert (verified.subject, verified.session_id) == ("user-17", "Zk1pQhbKTfqkmFvJtJtBxw")
    assert (verified.strategy, verified.client_id) == ("jwt", "api")
    assert verified.roles == ("admin",)
    assert verified.as_of == verified.auth_time == NOW
    assert verified.expires_at == NOW + timedelta(minutes=5)


def test_tokens_of_every_client_pass_that_are_for_this_audience() -> None:
    """The verifier knows no clients: the audience is what they have in common."""
    with scene() as s:
        assert s.verifier.check(s.token(client_id="partner")).client_id == "partner"
        assert s.verifier.check(s.token(aud=["web", "api"])).subject == "user-17"
        assert type(s.refusal(s.token(aud="web"))) is WrongAudience


def test_refusals_come_in_the_order_of_the_contract() -> None:
    """Signature, issuer, audience, expiry, then status."""
    with scene() as s:
        wrong: dict[str, Any] = {"aud": "web", "exp": SECOND, "status": STATUS}
        good = signed(header(), payload(iss="https://other.example", **wrong))
        assert type(s.refusal(good[:-6] + "AAAAAA")) is SignatureMismatch
        assert type(s.refusal(good)) is WrongIssuer
        assert type(s.refusal(s.token(**wrong))) is WrongAudience
        del wrong["aud"]
        assert type(s.refusal(s.token(**wrong))) is CredentialExpired
        with pytest.raises(StatusStale):
            s.verifier.check(s.token(status=STATUS))


def test_a_token_with_a_status_is_never_accepted_on_its_signature() -> None:
    """Cannot know is 503; the text says what to do. The second time as the first."""
    with scene() as s:
        token = s.token(status=STATUS)
        for _ in range(2):
            with pytest.raises(StatusStale, match="needs the status feed.*use confirm or a jwt"):
                s.verifier.check(token)


def test_a_handle_is_malformed_and_says_use_confirm() -> None:
    """It is a good credential, for another call."""
    with scene() as s:
        error = s.refusal(HANDLE)
    assert type(error) is CredentialMalformed
    assert "use confirm" in str(error)


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "\0", "ä" * 9000, None, b"a.b.c"])
def test_whatever_is_no_token_is_malformed(text: Any) -> None:
    """Nothing outside our errors comes out."""
    with scene() as s:
        assert type(s.refusal(text)) is CredentialMalformed


def test_j21_a_token_of_another_type_is_refused() -> None:
    """What is signed for another purpose with the same keys is no access token."""
    with scene() as s:
        claims = payload(iss=s.server.url)
        assert type(s.refusal(signed(header(typ="JWT"), claims))) is CredentialMalformed
        status = KEYS.active("ES256", "status")
        assert type(s.refusal(signed(header(kid=status.kid), claims))) is KeyUnknown
    with scene(typ="JWT") as s:
        token = signed(header(typ="JWT"), payload(iss=s.server.url))
        assert s.verifier.check(token).subject == "user-17"


def test_time_is_asked_at_every_check() -> None:
    """Also of a token that is known; an expiry has no leeway."""
    with scene() as s:
        token = s.token()
        s.clock.advance(timedelta(minutes=5, microseconds=-1))
        assert s.verifier.check(token) is s.verifier.check(token)
        s.clock.advance(timedelta(microseconds=1))
        assert type(s.refusal(token)) is CredentialExpired


def test_a_check_does_no_io(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with a known token, an unknown one, an unknown kid, nor with keys that are too old."""
    with scene() as s:
        s.server.stop()
        here = threading.get_ident()

        def refuse(*_: object) -> None:
            assert threading.get_ident() != here, "a check went to the network"

        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        assert s.verifier.check(s.token()) is not None
        assert type(s.refusal(signed(header(kid="unknown"), payload()))) is KeyUnknown
        s.clock.advance(HOUR)
        with pytest.raises(KeysStale):
            s.verifier.check(s.token())


def test_without_the_issuer_it_goes_on_until_the_keys_are_too_old() -> None:
    """Then it cannot know, and recovers by itself when the issuer is back."""
    with scene(keys_max_age=HOUR) as s:
        s.server.reply = saying(b"")
        s.clock.advance(HOUR - timedelta(seconds=1))
        token = s.token(exp=SECOND + 7200)
        assert s.verifier.check(token).subject == "user-17"
        s.clock.advance(timedelta(seconds=1))
        with pytest.raises(KeysStale) as caught:
            s.verifier.check(token)
        assert caught.value.retry_after is not None
        s.server.reply = saying_json(JWKS)
        s.clock.advance(timedelta(minutes=1))
        until(lambda: _passes(s, token))


def test_a_distrusted_key_is_refused_after_the_next_fetch() -> None:
    """Tokens that are known too: what is cached is pinned to the key set."""
    with scene() as s:
        token, other = s.token(exp=SECOND + 7200), s.token("RS256", exp=SECOND + 7200)
        assert s.verifier.check(token)
        left = KEYS.distrust(KEYS.active("ES256").kid, now=NOW).public()
        s.server.reply = saying_json(left.to_jwks())
        s.clock.advance(REFETCH)
        until(lambda: not _passes(s, token))
        assert type(s.refusal(token)) is KeyUnknown
        assert s.verifier.check(other).subject == "user-17"


def test_an_unknown_key_is_refused_at_once_and_learnt_in_the_background() -> None:
    """One request for a flood of them, and then the token passes."""
    fewer = [jwk for jwk in JWKS["keys"] if jwk["kid"] != KEYS.active("ES256").kid]
    with answering(saying_json({"keys": fewer})) as server, ExitStack() as stack:
        s = Scene(server, stack)
        server.reply = saying_json(JWKS)
        s.clock.advance(timedelta(seconds=10))
        token = s.token()
        for number in range(200):
            s.refusal(signed(header(kid=f"kid{number}"), payload()))
        until(lambda: _passes(s, token))
        assert len(server.asked) == 2


def _passes(s: Scene, token: str) -> bool:
    try:
        s.verifier.check(token)
    except (AuthError, KeysStale):
        return False
    return True


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sign-in brings new tokens; memory must not follow them."""
    monkeypatch.setattr(token_check, "KEPT", 3)
    with scene() as s:
        tokens = [s.token(jti=f"j{number}") for number in range(10)]
        verified = [s.verifier.check(token) for token in tokens]
        assert len({id(found) for found in verified}) == 10
        gc.collect()
        assert len(s.verifier._known._entries) <= 3  # noqa: SLF001 - memory is not seen outside
        assert type(s.refusal(tokens[0][:-6] + "AAAAAA")) is SignatureMismatch


def test_entering_raises_when_the_keys_do_not_come() -> None:
    """And leaves no thread behind that goes on asking."""
    with answering(saying(b"")) as server:
        pass
    verifier = Verifier(issuer=server.url, audience="api", timeout=timedelta(seconds=0.2))
    began = time.monotonic()
    with pytest.raises(IssuerUnavailable, match="Connection refused"):
        verifier.__enter__()
    assert time.monotonic() - began < 1
    until(lambda: all(t.name != "counterfoil-verifier" for t in threading.enumerate()))


def test_without_entering_the_first_check_starts_the_thread() -> None:
    """It cannot know yet, says so, and soon does: for whom no `with` fits."""
    with answering(saying_json(JWKS)) as server:
        verifier = Verifier(issuer=server.url, audience="api", clock=FrozenClock(now=NOW))
        token = signed(header(), payload(iss=server.url))
        with pytest.raises(KeysStale):
            verifier.check(token)
        until(lambda: len(server.asked) == 1)
        until(lambda: verifier._keys.is_fresh())  # noqa: SLF001, PLW0108 - without a further check
        assert verifier.check(token).subject == "user-17"
        verifier.close()


def test_checks_from_many_threads_agree() -> None:
    """There is no lock in a check, and none is needed."""
    with scene() as s:
        tokens = [s.token(jti=f"j{number}", sub=f"user-{number}") for number in range(20)]
        wrong: list[str] = []

        def run() -> None:
            for _ in range(50):
                for number, token in enumerate(tokens):
                    if s.verifier.check(token).subject != f"user-{number}":
                        wrong.append(token)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def by_path(session: bytes) -> Any:
    """An issuer that publishes keys and says this of a session."""

    def reply(connection: socket.socket) -> None:
        asked = replying[0].asked[-1]
        keys = bytes_of(json.dumps(JWKS).encode())
        connection.sendall(session if asked.startswith("GET /v1/session ") else keys)

    replying: list[Server] = []
    return replying, reply


@contextmanager
def confirming(session: bytes, **settings: Any) -> Iterator[Scene]:
    replying, reply = by_path(session)
    with answering(reply) as server, ExitStack() as stack:
        replying.append(server)
        yield Scene(server, stack, **settings)


def yes(**changes: object) -> bytes:
    return bytes_of(json.dumps({**YES, **changes}).encode())


def test_confirm_asks_the_issuer_about_a_token_with_a_status() -> None:
    """Which `check` cannot decide; sync and async alike."""
    with confirming(yes()) as s:
        token = s.token(status=STATUS)
        confirmed = s.verifier.confirm(token)
        assert (confirmed.strategy, confirmed.as_of) == ("hybrid", NOW)
        assert asyncio.run(s.verifier.aconfirm(token)) == confirmed
        assert f"Authorization: Bearer {token}\r\n" in s.server.asked[-1]


def test_confirm_takes_a_handle_of_this_audience() -> None:
    """Of a client that has another id, only when the issuer names the audience."""
    with confirming(yes(client_id="web", audience="api")) as s:
        assert s.verifier.confirm(HANDLE).client_id == "web"
    with confirming(yes(client_id="web")) as s, pytest.raises(WrongAudience):
        s.verifier.confirm(HANDLE)


def test_confirm_asks_nothing_about_a_token_that_is_none_of_ours() -> None:
    """A flood of forgeries stays here; and a token for another audience is refused here."""
    with confirming(yes()) as s:
        for token in (s.token()[:-6] + "AAAAAA", s.token(aud="web"), "a.b.c", ""):
            with pytest.raises(AuthError):
                s.verifier.confirm(token)
        assert len(s.server.asked) == 1


def test_confirm_needs_no_entering() -> None:
    """It waits for the keys, as it waits for the answer."""
    replying, reply = by_path(yes())
    with answering(reply) as server:
        replying.append(server)
        verifier = Verifier(issuer=server.url, audience="api", clock=FrozenClock(now=NOW))
        token = signed(header(), payload(iss=server.url))
        assert verifier.confirm(token).subject == "user-17"
        verifier.close()


def test_a_no_of_the_issuer_is_raised_as_its_own_error() -> None:
    """An issuer that cannot be reached is another matter."""
    no = problem(SessionRevoked("It has ended."))
    with confirming(bytes_of(json.dumps(no.body).encode(), status=no.status)) as s:
        token = s.token()
        with pytest.raises(SessionRevoked, match="It has ended"):
            s.verifier.confirm(token)
        s.server.stop()
        with pytest.raises(IssuerUnavailable):
            s.verifier.confirm(token)


def test_no_repr_and_no_error_holds_a_credential() -> None:
    """They end up in logs."""
    with confirming(b"") as s:
        token = s.token()
        with pytest.raises(IssuerUnavailable) as caught:
            s.verifier.confirm(token)
        told = f"{caught.value!r} {caught.value.__cause__!r} {s.verifier!r}"
        assert token not in told
        assert token.rpartition(".")[2] not in told


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"issuer": "http://app.example"}, "https URL"),
        ({"issuer": "https://app.example/"}, "slash at its end"),
        ({"issuer": "file:///etc/keys"}, "https URL"),
        ({"audience": ""}, "audience"),
        ({"audience": "a b"}, "audience"),
        ({"typ": "a b"}, "typ"),
        ({"keys_max_age": timedelta(seconds=59)}, "keys_max_age"),
        ({"keys_max_age": timedelta(days=2)}, "keys_max_age"),
        ({"timeout": timedelta(0)}, "timeout"),
        ({"timeout": timedelta(minutes=2)}, "timeout"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_built(
    settings: dict[str, Any], sentence: str
) -> None:
    """J6: no file:, ftp: or data: either (CVE-2026-48522)."""
    with pytest.raises(ConfigurationError, match=sentence):
        Verifier(**{"issuer": "https://app.example", "audience": "api", **settings})


def test_importing_it_brings_no_network_and_no_event_loop() -> None:
    """What a check does not need is loaded when it is needed."""
    program = "from counterfoil import Verifier; import sys; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert {"http.client", "ssl", "asyncio"}.isdisjoint(answer.stdout.split())
