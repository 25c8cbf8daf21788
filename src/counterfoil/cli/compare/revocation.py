"""From a revocation's acknowledgement to the first refusal, at the issuer and elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from counterfoil import Verifier
from counterfoil.cli.compare.scene import BRIEF, IN_ORDER, Scene
from counterfoil.cli.demo.cast import bearer
from counterfoil.cli.demo.outliving import Check, Outlived, Tried, outlived
from counterfoil.client import StrategyName
from counterfoil.errors import CounterfoilError

ISSUER: Final = "issuer"
ELSEWHERE: Final = "another service"
TIMEOUT: Final = timedelta(seconds=1)
_EXPECTED: Final = {"session_revoked", "credential_expired"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One strategy in one place, over so many revocations; seconds from the acknowledgement.
    accepted: how often the credential was taken after it. last_accepted: the longest that one
    outlived its revocation; the promise is about this one. first_refused, worst: when it was first
    seen to be refused, in the middle and at worst."""

    strategy: StrategyName
    where: str
    rounds: int
    accepted: int
    last_accepted: float
    first_refused: float
    worst: float
    promised: float
    code: str

    @property
    def is_kept(self) -> bool:
        return self.last_accepted <= self.promised and self.code in _EXPECTED


def until_refused(scene: Scene, progress: Callable[[str], None]) -> list[Refused]:
    """Each strategy; of jwt one revocation, whose token has to be waited for."""
    found: dict[StrategyName, list[Refused]] = {}
    with scene.beside() as parts:
        opened = {
            each: parts.open(*(BRIEF, 1) if each == "jwt" else (each, scene.depth.rounds))
            for each in IN_ORDER
        }
    for strategy in reversed(IN_ORDER):  # what expires by itself comes first
        client_id = BRIEF if strategy == "jwt" else strategy
        tokens = [each.credential.token for each in opened[strategy]]
        with Verifier(issuer=scene.issuer, audience=client_id, timeout=TIMEOUT) as verifier:
            seen = [
                _revoked(scene, verifier, token, strategy, number, progress)
                for number, token in enumerate(tokens, 1)
            ]
        found[strategy] = [_summed(strategy, where, seen) for where in (ISSUER, ELSEWHERE)]
    return [each for strategy in IN_ORDER for each in found[strategy]]


def at_the_issuer(scene: Scene, token: str) -> Check:
    """Asks with the credential, over HTTP."""

    def check() -> Tried:
        reply = scene.call("GET", "/v1/session", carried=bearer(token))
        return Tried(reply.began, reply.code)

    return check


def in_another_service(verifier: Verifier, token: str, strategy: StrategyName) -> Check:
    """A Verifier's own answer; a session's it has to ask for."""
    ask = verifier.confirm if strategy == "session" else verifier.check

    def check() -> Tried:
        began = time.monotonic()
        try:
            ask(token)
        except CounterfoilError as refused:
            return Tried(began, refused.code)
        return Tried(began, "")

    return check


def _revoked(
    scene: Scene,
    verifier: Verifier,
    token: str,
    strategy: StrategyName,
    number: int,
    progress: Callable[[str], None],
) -> tuple[dict[str, Outlived], float]:
    checks = {
        ISSUER: at_the_issuer(scene, token),
        ELSEWHERE: in_another_service(verifier, token, strategy),
    }
    for check in checks.values():
        check()
    done = scene.call("DELETE", "/v1/session", carried=bearer(token)).expect(200)
    promised = float(done.body["effective_within_seconds"])
    found = outlived(
        checks,
        since=done.ended,
        promised=promised,
        noting=lambda at, _: progress(f"{strategy}, number {number}, {at:.1f} s"),
    )
    return found, promised


def _summed(
    strategy: StrategyName, where: str, seen: list[tuple[dict[str, Outlived], float]]
) -> Refused:
    here = [found[where] for found, _ in seen]
    refused = sorted(each.first_refused for each in here)
    codes = {each.code for each in here}
    return Refused(
        strategy=strategy,
        where=where,
        rounds=len(here),
        accepted=sum(each.accepted for each in here),
        last_accepted=max(each.last_accepted for each in here),
        first_refused=refused[len(refused) // 2],
        worst=refused[-1],
        promised=max(promised for _, promised in seen),
        code=min(codes) if len(codes) == 1 else ", ".join(sorted(codes)),
    )
