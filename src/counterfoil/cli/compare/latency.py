"""What one request costs: its time, what it reads, and what the credential weighs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from counterfoil import Verifier
from counterfoil.cli.compare.scene import IN_ORDER, Scene, cookie_client
from counterfoil.cli.compare.timing import Timed, Wire, check_request, timed
from counterfoil.cli.demo.caller import Carried, NotAsSaid
from counterfoil.cli.demo.cast import bearer
from counterfoil.cli.demo.lookups import between, counted
from counterfoil.client import StrategyName

_COUNTED: Final = 50  # requests between two looks at what the server counted
_TIMEOUT: Final = timedelta(seconds=5)
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerRequest:
    """One strategy. at_issuer: `GET /v1/check` on a connection that is kept. elsewhere: in another
    service, by a Verifier: a token that it knows; or, of a session, a request to the issuer.
    new_token: one that it has not seen. store_calls: of one check, None where not counted."""

    strategy: StrategyName
    at_issuer: Timed
    elsewhere: Timed
    new_token: Timed | None
    store_calls: float | None
    cookie_bytes: int
    bearer_bytes: int


def per_request(scene: Scene, progress: Progress) -> list[PerRequest]:
    """All three, in turns."""
    carried = {each: _signed_in(scene, each) for each in IN_ORDER}
    cookies = {each: _signed_in(scene, cookie_client(each)) for each in IN_ORDER}
    requests = {
        each: check_request(each, f"{carried[each].name}: {carried[each].value}")
        for each in IN_ORDER
    }
    reads = {each: _store_calls(scene, requests[each]) for each in IN_ORDER}
    at_issuer = _in_turns(scene, requests, progress)
    progress("in another service")
    new = _new_tokens(scene)
    return [
        PerRequest(
            strategy=each,
            at_issuer=at_issuer[each],
            elsewhere=_elsewhere(scene, each, carried[each].secret),
            new_token=new.get(each),
            store_calls=reads[each],
            cookie_bytes=cookies[each].bytes_on_the_wire,
            bearer_bytes=carried[each].bytes_on_the_wire,
        )
        for each in IN_ORDER
    ]


def _signed_in(scene: Scene, client_id: str) -> Carried:
    """By password, over HTTP; what each request carries then."""
    reply = scene.sign_in(client_id).expect(201)
    if reply.cookie is None:
        return bearer(reply.body["credential"]["token"])
    pair = reply.cookie.partition(";")[0]
    return Carried("Cookie", pair, pair.partition("=")[2])


def _store_calls(scene: Scene, request: bytes) -> float | None:
    with Wire(scene.port) as wire:
        wire.ask(request)
        before = counted(scene.call)
        for _ in range(_COUNTED):
            wire.ask(request)
        found = between(before, counted(scene.call), checks=_COUNTED)
    return None if found is None else found.per_check


def _in_turns(
    scene: Scene, requests: dict[StrategyName, bytes], progress: Progress
) -> dict[StrategyName, Timed]:
    """So that what disturbs the machine disturbs all three alike."""
    took: dict[StrategyName, list[float]] = {each: [] for each in IN_ORDER}
    with Wire(scene.port) as wire:
        for number in range(scene.depth.requests):
            if number % 100 == 0:
                progress(f"{number} of {scene.depth.requests} requests")
            for each, request in requests.items():
                took[each].append(timed(lambda request=request: wire.ask(request)))  # type: ignore[misc]
    return {each: Timed.of(took[each]) for each in IN_ORDER}


def _elsewhere(scene: Scene, strategy: StrategyName, credential: str) -> Timed:
    asks = strategy == "session"
    count = scene.depth.asked if asks else scene.depth.checks
    with Verifier(issuer=scene.issuer, audience=strategy, timeout=_TIMEOUT) as verifier:
        check = verifier.confirm if asks else verifier.check
        if check(credential).strategy != strategy:
            raise NotAsSaid("A Verifier took a credential for one of another strategy.")
        return Timed.of([timed(lambda: check(credential)) for _ in range(count)])


def _new_tokens(scene: Scene) -> dict[StrategyName, Timed]:
    """Each token is seen once, so that its signature is verified."""
    found: dict[StrategyName, Timed] = {}
    with scene.beside() as parts:
        opened = {each: parts.open(each, scene.depth.new_tokens) for each in IN_ORDER[1:]}
    for strategy, sessions in opened.items():
        tokens = [each.credential.token for each in sessions]
        with Verifier(issuer=scene.issuer, audience=strategy, timeout=_TIMEOUT) as verifier:
            found[strategy] = Timed.of(_each(verifier.check, tokens))
    return found


def _each(check: Callable[[str], object], tokens: Sequence[str]) -> list[float]:
    return [timed(lambda token=token: check(token)) for token in tokens]  # type: ignore[misc]
