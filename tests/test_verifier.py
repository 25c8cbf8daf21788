"""The verifier of a service that only checks: who passes, who not, and that nothing waits."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
import time
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
    SignatureMismatch,
    StatusStale,
    WrongAudience,
    WrongIssuer,
)
from counterfoil.testing.clock import FrozenClock
from forging import KEYS, NOW, SECOND, header, payload, signed
from serving import answering, saying, saying_json, until
from verifying import HANDLE, JWKS, STATUS, scene

if TYPE_CHECKING:
    from counterfoil.client import Algorithm
    from verifying import Scene

KEYS_AT = "/.well-known/jwks.json"
REFETCH = timedelta(minutes=5)
HOUR = timedelta(hours=1)


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


def test_it_says_whom_it_trusts_and_for_what() -> None:
    """For logs and for who composes it."""
    with scene() as s:
        assert (s.verifier.issuer, s.verifier.audience) == (s.server.url, "api")
        assert repr(s.verifier) == f"Verifier(issuer={s.server.url!r}, audience='api')"


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
    """Cannot know is 503; the text says why. The second time as the first."""
    with scene() as s:
        token = s.token(status=STATUS)
        for _ in range(2):
            with pytest.raises(StatusStale, match=r"status cannot be read from.*answered 404"):
                s.verifier.check(token)


def test_a_handle_is_malformed_and_says_use_confirm() -> None:
    """It is a good credential, for another call."""
    with scene() as s:
        error = s.refusal(HANDLE)
    assert type(error) is CredentialMalformed
    assert "use confirm" in str(error)


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "\0", "ä" * 9000, None, b"YQ.YQ.YQ"])
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
            raise OSError

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
    with scene({"keys": fewer}) as s:
        s.server.reply = saying_json(JWKS)
        s.clock.advance(timedelta(seconds=10))
        token = s.token()
        for number in range(200):
            s.refusal(signed(header(kid=f"kid{number}"), payload()))
        until(lambda: _passes(s, token))
        assert s.asked_for(KEYS_AT) == 2


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
    with pytest.raises(IssuerUnavailable, match=f"{server.url}/.*Connection refused"):
        verifier.__enter__()
    assert time.monotonic() - began < 1
    until(lambda: all(t.name != "counterfoil-verifier" for t in threading.enumerate()))


def test_without_entering_the_first_check_starts_the_thread() -> None:
    """It cannot know yet, says so, and soon does: for whom no `with` fits."""
    is_told = threading.Event()

    def reply(connection: socket.socket, head: str) -> None:
        is_told.wait(30)
        saying_json(JWKS)(connection, head)

    with answering(reply) as server:
        verifier = Verifier(issuer=server.url, audience="api", clock=FrozenClock(now=NOW))
        token = signed(header(), payload(iss=server.url))
        with pytest.raises(KeysStale):
            verifier.check(token)
        is_told.set()
        until(lambda: server.asked)
        until(verifier._following.keys.is_fresh)  # noqa: SLF001 - without a further check
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


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"issuer": "http://app.example"}, "https URL"),
        ({"issuer": "https://app.example/"}, "slash at its end"),
        ({"issuer": "file:///etc/keys"}, "https URL"),
        ({"audience": ""}, "audience"),
        ({"audience": "a b"}, "audience"),
        ({"typ": "a b"}, "typ"),
        ({"keys_max_age": timedelta(milliseconds=999)}, "keys_max_age"),
        ({"keys_max_age": timedelta(days=2)}, "keys_max_age"),
        ({"max_staleness": timedelta(milliseconds=999)}, "max_staleness"),
        ({"max_staleness": timedelta(seconds=61)}, "max_staleness"),
        ({"max_staleness": 5}, "max_staleness as a timedelta"),
        ({"timeout": timedelta(0)}, "timeout"),
        ({"timeout": timedelta(minutes=2)}, "timeout"),
        ({"timeout": 5}, "timeout as a timedelta"),
        ({"keys_max_age": 3600}, "keys_max_age as a timedelta"),
        ({"audience": ["api", "web"]}, "audience one text"),
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
