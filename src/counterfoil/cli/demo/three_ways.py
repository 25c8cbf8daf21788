"""One scene for each strategy: sign in, call, look, revoke, and call until refused."""

from __future__ import annotations

import json
import statistics
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from counterfoil import Verifier
from counterfoil.cli.demo.caller import NotAsSaid
from counterfoil.cli.demo.cast import BRIEF, Cast, SignedIn
from counterfoil.cli.demo.lookups import LookUps, between, counted
from counterfoil.cli.demo.outliving import Outlived, Tried, outlived
from counterfoil.client import StrategyName
from counterfoil.errors import CounterfoilError, CredentialMalformed
from counterfoil.strict_json import parse_object

CHECKS: Final = 20
ISSUER: Final = "issuer"
ELSEWHERE: Final = "verifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One strategy's figures; moments in seconds from the acknowledgement of the revocation."""

    strategy: StrategyName
    client_id: str
    wire_bytes: int
    check_milliseconds: float
    looked_up: LookUps | None
    promised: float
    elsewhere: float
    outlived: dict[str, Outlived]

    @property
    def longest(self) -> float:
        """By how much the credential outlived its revocation at whichever verifier."""
        return max(found.last_accepted for found in self.outlived.values())

    @property
    def is_kept(self) -> bool:
        return self.longest <= self.promised


def by_session(cast: Cast) -> Measured:
    cast.stage.chapter(
        "session: an opaque handle, and a record that is read each time",
        "What travels means nothing by itself. Every call looks the record up, so a revocation"
        " holds from the next call on. That look-up is the price.",
    )
    signed_in = _sign_in(cast, "web")
    cast.stage.step("says", "nothing to others: the id of a record, and random bits")
    return _until_refused(cast, "session", "web", signed_in, "session_revoked")


def by_hybrid(cast: Cast) -> Measured:
    stage = cast.stage
    stage.chapter(
        "hybrid: a signed token, and one bit that can be turned over",
        "What travels says who Ann is, and is signed, so no call reads the store for it. It also"
        " names one bit in a list that whoever checks holds in memory. A revocation turns it over:"
        " at once where it is asked for, within L wherever else the list is held.",
    )
    with Verifier(issuer=cast.server.issuer, audience="api") as verifier:
        signed_in = _sign_in(cast, "api")
        _decoded(cast, signed_in.token)
        _accepted_elsewhere(
            cast,
            verifier,
            signed_in.token,
            "it has the keys and a copy of the bits, and asks nobody",
        )
        elsewhere = {ELSEWHERE: lambda: _tried(verifier, signed_in.token)}
        return _until_refused(cast, "hybrid", "api", signed_in, "session_revoked", **elsewhere)


def by_jwt(cast: Cast) -> Measured:
    stage = cast.stage
    stage.chapter(
        "jwt: a signed token, and nothing behind it",
        "The same without the bit. Whoever has the issuer's public key can check it, and nobody"
        " can call it back: signing out stops the refresh, and the token goes on until it expires.",
    )
    with Verifier(issuer=cast.server.issuer, audience=BRIEF) as verifier:
        signed_in = _sign_in(cast, BRIEF)
        _decoded(cast, signed_in.token)
        _accepted_elsewhere(
            cast, verifier, signed_in.token, "it has the issuer's keys, and asks nobody"
        )
        elsewhere = {ELSEWHERE: lambda: _tried(verifier, signed_in.token)}
        return _until_refused(cast, "jwt", BRIEF, signed_in, "credential_expired", **elsewhere)


def _sign_in(cast: Cast, client_id: str) -> SignedIn:
    signed_in = cast.sign_in(client_id)
    cast.stage.step("sign in", f"POST /v1/sessions, client {client_id}: {signed_in.reply.status}")
    cast.stage.step("given", signed_in.given, style="bold")
    return signed_in


def _decoded(cast: Cast, token: str) -> None:
    """What anybody can read who holds it; the signature is what they cannot write."""
    header, claims, _ = token.split(".")
    cast.stage.step("header", _text_of(header))
    cast.stage.step("claims", _text_of(claims))


def _text_of(segment: str) -> str:
    data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    return json.dumps(parse_object(data, error=CredentialMalformed), separators=(", ", ": "))


def _accepted_elsewhere(cast: Cast, verifier: Verifier, token: str, why: str) -> None:
    if code := _tried(verifier, token).code:
        raise NotAsSaid(f"A Verifier that knows the issuer's URL refused with {code}.")
    cast.stage.step("elsewhere", f"accepted by a Verifier in another service: {why}")


def _until_refused(
    cast: Cast,
    strategy: StrategyName,
    client_id: str,
    signed_in: SignedIn,
    code: str,
    **elsewhere: Callable[[], Tried],
) -> Measured:
    stage, carried = cast.stage, signed_in.carried
    milliseconds, looked_up = _called(cast, signed_in)
    acknowledged = cast.call("DELETE", "/v1/session", carried=carried).expect(200)
    promised = float(acknowledged.body["effective_within_seconds"])
    stage.step(
        "revoke",
        f"DELETE /v1/session: 200, revoked {acknowledged.body['revoked']},"
        f" effective_within_seconds {promised:.0f}",
    )

    def at_the_issuer() -> Tried:
        reply = cast.who_am_i(carried)
        return Tried(reply.began, reply.code)

    with stage.waiting("Calling with the revoked credential") as far:
        found = outlived(
            {ISSUER: at_the_issuer, **elsewhere},
            since=acknowledged.ended,
            promised=promised,
            noting=lambda at, times: far(f"accepted {times} times, {at:.1f} of {promised:.0f} s"),
        )
    for name, each in found.items():
        _tell(cast, name, each)
        if each.code != code:
            raise NotAsSaid(f"The {name} refused with {each.code}, not {code}.")
    measured = Measured(
        strategy=strategy,
        client_id=client_id,
        wire_bytes=carried.bytes_on_the_wire,
        check_milliseconds=milliseconds,
        looked_up=looked_up,
        promised=promised,
        elsewhere=float(acknowledged.body["elsewhere_within_seconds"]),
        outlived=found,
    )
    _conclude(cast, measured)
    return measured


def _called(cast: Cast, signed_in: SignedIn) -> tuple[float, LookUps | None]:
    """Calls some times; how long one takes, and what was read for them."""
    stage = cast.stage
    before = counted(cast.call)
    replies = [cast.who_am_i(signed_in.carried).expect(200) for _ in range(CHECKS)]
    looked_up = between(before, counted(cast.call), checks=CHECKS)
    milliseconds = statistics.median(reply.milliseconds for reply in replies)
    stage.step(
        "call",
        f"GET /v1/session: 200, {CHECKS} times, {milliseconds:.1f} ms each",
    )
    stage.step("carried", f"{signed_in.carried.shown}: {signed_in.carried.bytes_on_the_wire} bytes")
    if looked_up is not None:
        named = ", ".join(f"{number} times {name}" for name, number in looked_up.calls.items())
        stage.step("looked up", f"{named or 'nothing'} in the store, for {CHECKS} calls")
    return milliseconds, looked_up


def _tried(verifier: Verifier, token: str) -> Tried:
    began = time.monotonic()
    try:
        verifier.check(token)
    except CounterfoilError as refused:
        return Tried(began, refused.code)
    return Tried(began, "")


def _tell(cast: Cast, name: str, found: Outlived) -> None:
    accepted = f"accepted {found.accepted} times more, then " if found.accepted else ""
    when = f"{seconds(found.first_refused)} after the answer"
    text = f"at the {name} {accepted}refused, {when}: {found.code}"
    cast.stage.step("call again", text)


def _conclude(cast: Cast, measured: Measured) -> None:
    if measured.longest:
        told = f"It outlived its revocation by {seconds(measured.longest)}."
    else:
        told = "The first call after the revocation was refused."
    promise = f"Promised L: {measured.promised:.0f} s."
    cast.stage.outcome(f"{told} {promise}", good=measured.is_kept)


def seconds(length: float) -> str:
    return f"{length:.2f} s" if length >= 1 else f"{length * 1000:.1f} ms"


def as_json(measured: Measured) -> dict[str, Any]:
    looked_up = measured.looked_up
    return {
        "strategy": measured.strategy,
        "client_id": measured.client_id,
        "wire_bytes": measured.wire_bytes,
        "check_milliseconds": measured.check_milliseconds,
        "store_calls_per_check": looked_up.per_check if looked_up else None,
        "promised_seconds": measured.promised,
        "elsewhere_within_seconds": measured.elsewhere,
        "outlived_seconds": measured.longest,
        "promise_kept": measured.is_kept,
        "verifiers": {
            name: {
                "accepted_after_revocation": found.accepted,
                "last_accepted_seconds": found.last_accepted,
                "first_refused_seconds": found.first_refused,
                "code": found.code,
            }
            for name, found in measured.outlived.items()
        },
    }
