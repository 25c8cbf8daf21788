"""Between verifiers and their issuer stands something that is slow, broken, forgetful or evil."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from network import behaviours
from network.behaviours import Chaotic, Flipping, Keeping, Replaying
from network.checking import PASSED, uptime
from network.judging import Judge, Revoking, until
from network.middlebox import FEED, KEYS, LISTS, middlebox, through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from network.fleet import Checker, Fleet
    from network.issuers import Issuer
    from network.middlebox import Behaviour

HARMLESS: Final[dict[str, Callable[[], Behaviour]]] = {
    "twice": lambda: behaviours.twice,
    "asking-twice": lambda: behaviours.asking_twice,
    "stripping": lambda: behaviours.stripping,
    "keeping-lists-and-keys": lambda: Keeping(LISTS, KEYS, by_path=True),
    "keys-silent": lambda: behaviours.keys_silent,
}
HARMFUL: Final[dict[str, Callable[[], Behaviour]]] = {
    "dripping": lambda: behaviours.dripping,
    "truncating": lambda: behaviours.truncating,
    "shortening": lambda: behaviours.shortening,
    "resetting": lambda: behaviours.resetting,
    "refusing": lambda: behaviours.refusing,
    "silent": lambda: behaviours.silent,
    "failing": behaviours.failing,
    "flipping": Flipping,
    "late": lambda: behaviours.late(1.2),
    "keeping-everything": lambda: Keeping(FEED, LISTS, KEYS, by_path=True),
    "replaying": Replaying,
    "swapping": lambda: behaviours.swapping,
    "chaos-1": lambda: Chaotic(1),
    "chaos-2": lambda: Chaotic(2),
}
# Those that say something, and so could have a verifier begin with what is not so.
STARTED_BEHIND: Final = ("keeping-everything", "keeping-lists-and-keys", "replaying", "chaos-1")
SLOW: Final = 0.2
TIGHT: Final = 5.0
LONG_ENOUGH: Final = TIGHT + 1
RECOVERED: Final = 10.0


@dataclass(slots=True)
class Story:
    """What happened. began, healed: when the middleboxes became what they were, and when they did
    as nothing again. back: seconds from then until a verifier accepted honest tokens."""

    judge: Judge
    warm: dict[str, Checker]
    cold: list[Checker]
    careless: Checker
    slow: list[Checker]
    began: float
    healed: float
    back: dict[str, float]


@pytest.fixture(scope="module")
def story(shared: Issuer, zygote: Fleet) -> Iterator[Story]:
    """Verifiers that know, middleboxes that begin, six sign-outs, verifiers that start only now,
    and an end of it."""
    victims = shared.devices(*(f"victim-{number}" for number in range(6)))
    honest = shared.devices("honest", "also-honest")
    patient = shared.devices("patient", client_id="other")  # for whom 10 s are the bound, not 1 s
    judge = Judge()
    with ExitStack() as stack:
        stack.callback(zygote.end)
        boxes = {
            name: stack.enter_context(middlebox(shared.site.port))
            for name in (*HARMLESS, *HARMFUL, "careless", "slow", "slow-other")
        }

        def start(name: str, *, behind: str = "", **spec: Any) -> Checker:
            port = boxes[behind or name].port
            return zygote.start(name, shared.url, port=port, pause=0.03, **spec)

        warm = {name: start(name) for name in (*HARMLESS, *HARMFUL)}
        careless = start("careless", careless=True)
        for checker in (careless, *warm.values()):
            checker.watch(victims | honest)
        for name in ("slow", "slow-other"):
            boxes[name].behave(behaviours.slow(SLOW))
        other: dict[str, Any] = {"audience": "other", "settings": {"max_staleness": TIGHT}}
        slow = [start("slow"), start("slow-other", **other)]
        slow[0].watch(honest)
        slow[1].watch(patient)
        slow_since = max(checker.wait(PASSED) for checker in slow)
        for checker in (careless, *warm.values()):
            checker.wait(PASSED)

        for name, choose in (HARMLESS | HARMFUL | {"careless": lambda: behaviours.silent}).items():
            boxes[name].behave(choose())
        began, cold = uptime(), []
        with Revoking(judge, victims, every=0.4):
            until(began + 0.5)
            for name in STARTED_BEHIND:
                cold.append(start(f"cold-{name}", behind=name))
                cold[-1].watch(victims | honest)
            until(began + 3.5)

        healed, back = uptime(), {}
        for name in (*HARMLESS, *HARMFUL):
            boxes[name].behave(through)
        for checker in (*warm.values(), *cold):
            back[checker.name] = checker.wait(PASSED, *honest, since=healed) - healed
            checker.wait("session_revoked", *victims, since=healed)
        until(slow_since + LONG_ENOUGH)
        yield Story(judge, warm, cold, careless, slow, began, healed, back)


def test_no_check_passes_after_the_bound(story: Story) -> None:
    """Whatever was done to whatever was said, to verifiers that knew and to those that began."""
    story.judge.require_bound(*story.warm.values(), *story.cold)


@pytest.mark.parametrize("name", HARMFUL)
def test_without_answers_a_verifier_cannot_know(story: Story, name: str) -> None:
    """Honest tokens are refused with status_stale, and with nothing that says they are bad."""
    refused = story.judge.refused(story.warm[name], since=story.began, until=story.healed)
    assert {code for _, code in refused} <= {"status_stale"}
    if not name.startswith("chaos"):
        assert refused["honest", "status_stale"]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_no_answer_costs_little(story: Story, name: str) -> None:
    """Even at a bound of one second, and on a machine that has much else to do."""
    checks = story.judge.honest(story.warm[name], since=story.began, until=story.healed)
    assert sum(check.said == PASSED for check in checks) > 0.8 * len(checks) > 0


def test_a_slow_way_costs_nothing(story: Story) -> None:
    """200 ms each way refuse no honest token where a client has five seconds, though another one
    has but one; and even the other's pass mostly, or on a busy machine often."""
    strict, patient = story.slow
    since = max(checker.wait(PASSED, since=0.0) for checker in story.slow)
    assert story.judge.refused(patient, since=since) == {}
    checks = story.judge.honest(strict, since=since)
    assert sum(check.said == PASSED for check in checks) > 0.25 * len(checks) > 0


def test_every_verifier_recovers_by_itself(story: Story) -> None:
    """Once the way is clear, it soon accepts who is honest again, and knows who was revoked."""
    assert story.back.keys() == story.warm.keys() | {each.name for each in story.cold}
    assert max(story.back.values()) < RECOVERED, story.back


def test_a_verifier_that_forgot_its_age_is_found_out(story: Story) -> None:
    """The judge can see: behind a silent way it goes on accepting what it last knew as good."""
    late = {check.token for check in story.judge.late(story.careless)}
    assert {"victim-2", "victim-3", "victim-4", "victim-5"} <= late
