"""What becomes of checks without the store, and without the network: both are really taken away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from counterfoil import Verifier
from counterfoil.cli.compare.revocation import TIMEOUT, at_the_issuer, in_another_service
from counterfoil.cli.compare.scene import BRIEF, IN_ORDER, Scene
from counterfoil.cli.compare.watching import ACCEPTED, Answer, Watch, wait, watching
from counterfoil.cli.demo.caller import NotAsSaid
from counterfoil.cli.demo.cast import bearer
from counterfoil.cli.demo.outliving import Check
from counterfoil.client import StrategyName

_LONGER: Final = 0.6  # seconds after the last thing that is expected
_TO_SETTLE: Final = 5.0
_TO_COME_BACK: Final = 30.0
_CLIENTS: Final[dict[StrategyName, str]] = {"session": "session", "hybrid": "hybrid", "jwt": BRIEF}
Progress = Callable[[str], None]
Taken = Literal["store", "network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An answer for so long: seconds from when something was taken away. code: none where
    accepted."""

    begins: float
    ends: float
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One strategy. away: how long something was taken away. went_on: when the last check began
    that was accepted meanwhile, without one before it that was not. then: the code that followed,
    none where none did. back: seconds from when it was there again to the answer that is right
    again. revoked_at: when the credential's revocation was acknowledged, and what was promised."""

    strategy: StrategyName
    taken: Taken
    away: float
    went_on: float
    then: str
    back: float | None
    revoked_at: float | None
    promised: float
    spans: tuple[Span, ...]

    @property
    def is_kept(self) -> bool:
        """Whether it was accepted no later than promised after it was revoked."""
        return self.revoked_at is None or self.went_on <= self.revoked_at + self.promised


@dataclass(frozen=True, slots=True)
class Clock:
    """began: when it was taken away; back: when it was there again; ended: the last look."""

    began: float
    back: float
    ended: float


def without_store(scene: Scene, progress: Progress) -> list[Outage]:
    """At the issuer, whose store is taken away for longer than hybrid goes on."""
    with scene.beside() as parts:
        opened = {each: parts.open(each)[0].credential.token for each in IN_ORDER}
    lasts = scene.depth.max_staleness.total_seconds() + _LONGER
    with watching(_named((each, at_the_issuer(scene, opened[each])) for each in IN_ORDER)) as watch:
        _settled(watch)
        began = time.monotonic()
        with _taken(scene):
            _pass(lasts, "without it", progress)
        back = time.monotonic()
        _come_back(lambda: watch.answers(ACCEPTED, since=back), progress)
        clock = Clock(began, back, time.monotonic())
    return [outage(each, "store", watch.seen[each], clock) for each in IN_ORDER]


def without_network(scene: Scene, progress: Progress) -> list[Outage]:
    """In another service, which is cut off; then all three are revoked at the issuer."""
    with ExitStack() as kept:
        verifiers = {
            each: kept.enter_context(
                Verifier(issuer=scene.issuer, audience=_CLIENTS[each], timeout=TIMEOUT)
            )
            for each in IN_ORDER
        }
        with scene.beside() as parts:
            tokens = {each: parts.open(_CLIENTS[each])[0].credential.token for each in IN_ORDER}
        checks = _named(
            (each, in_another_service(verifiers[each], tokens[each], each)) for each in IN_ORDER
        )
        watch = kept.enter_context(watching(checks))
        _settled(watch)
        began = time.monotonic()
        scene.network.cut()
        try:
            revoked = {each: _revoked(scene, tokens[each], began) for each in IN_ORDER}
            lasts = max(promised for _, promised in revoked.values()) + _LONGER
            _pass(lasts, "cut off", progress)
        finally:
            scene.network.heal()
        back = time.monotonic()
        _come_back(
            lambda: watch.answers("session_revoked", "session", "hybrid", since=back), progress
        )
        clock = Clock(began, back, time.monotonic())
    return [
        outage(each, "network", watch.seen[each], clock, revoked=revoked[each]) for each in IN_ORDER
    ]


def _named(checks: Iterator[tuple[StrategyName, Check]]) -> Mapping[str, Check]:
    return dict(checks)


def _revoked(scene: Scene, token: str, began: float) -> tuple[float, float]:
    """When that was acknowledged, and how soon it was promised to hold."""
    done = scene.call("DELETE", "/v1/session", carried=bearer(token)).expect(200)
    return done.ended - began, float(done.body["effective_within_seconds"])


@contextmanager
def _taken(scene: Scene) -> Iterator[None]:
    scene.store.take_away(scene.data)
    try:
        yield
    finally:
        scene.store.bring_back(scene.data)


def _settled(watch: Watch) -> None:
    """All are accepted before anything is taken away."""
    since = time.monotonic()
    if not wait(_TO_SETTLE, until=lambda: watch.answers(ACCEPTED, since=since), noting=_quietly):
        raise NotAsSaid("A credential was refused before anything was taken away.")


def _quietly(_: float) -> None:
    """Nothing is told of what is over at once."""


def _pass(seconds: float, what: str, progress: Progress) -> None:
    wait(
        seconds,
        until=lambda: False,
        noting=lambda at: progress(f"{what} for {at:.1f} of {seconds:.1f} s"),
    )


def _come_back(is_back: Callable[[], bool], progress: Progress) -> None:
    wait(_TO_COME_BACK, until=is_back, noting=lambda at: progress(f"back for {at:.1f} s"))


def outage(
    strategy: StrategyName,
    taken: Taken,
    seen: list[Answer],
    clock: Clock,
    *,
    revoked: tuple[float, float] | None = None,
) -> Outage:
    meanwhile = [each for each in seen if each.last >= clock.began and each.first < clock.back]
    first, others = meanwhile[0], meanwhile[1:]
    is_accepted = first.code == ACCEPTED
    then = others[0].code if others else ACCEPTED
    final = seen[-1]
    return Outage(
        strategy=strategy,
        taken=taken,
        away=clock.back - clock.began,
        went_on=min(first.last, clock.back) - clock.began if is_accepted else 0.0,
        then=then if is_accepted else first.code,
        back=final.given - clock.back if final.given >= clock.back else None,
        revoked_at=revoked[0] if revoked else None,
        promised=revoked[1] if revoked else 0.0,
        spans=tuple(_spans(seen, clock)),
    )


def _spans(seen: list[Answer], clock: Clock) -> Iterator[Span]:
    """Each answer until the next; what held when it was taken away counts from there."""
    ends = [*(each.first for each in seen[1:]), clock.ended]
    for each, end in zip(seen, ends, strict=True):
        if end > clock.began:
            begins = max(each.first, clock.began) - clock.began
            yield Span(begins=begins, ends=end - clock.began, code=each.code)
