"""Verifiers in network namespaces of their own, over TLS, cut off while revocations go on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from certificates import certificate
from network import behaviours, issuers, namespaces
from network.checking import PASSED, uptime
from network.judging import Judge, Revoking, until
from network.middlebox import Middlebox, through
from network.namespaces import ISSUER, PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from network.fleet import Checker, Fleet
    from network.namespaces import Wire

CUTS: Final[dict[str, Callable[[Wire], Callable[[], None]]]] = {
    "verifiers-plug": namespaces.pull_the_verifiers_plug,
    "issuers-plug": namespaces.pull_the_issuers_plug,
    "questions-dropped": namespaces.drop_questions,
    "answers-dropped": namespaces.drop_answers,
    "swallowed": namespaces.swallow,
}
NAMES: Final = (*CUTS, "reset")
RECOVERED: Final = 10.0


@dataclass(slots=True)
class Story:
    """What happened. known, cut, healed: when the verifiers last knew to be well connected, when
    they were cut off, and when no more. back: seconds from then until honest tokens passed."""

    judge: Judge
    checkers: dict[str, Checker]
    known: float
    cut: float
    healed: float
    back: dict[str, float]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, made: Path, zygote: Fleet) -> Iterator[Story]:
    """One wire for each way to cut it; all are cut at once, and mended at once."""
    folder = tmp_path_factory.mktemp("partitions")
    judge = Judge()
    with ExitStack() as stack:
        wires = {name: stack.enter_context(namespaces.wire()) for name in NAMES}
        trusted, context = certificate(folder, host=ISSUER)
        url = f"https://{ISSUER}:{PORT}"
        issuer = stack.enter_context(issuers.issuer(folder / "data", made, issuer=url))
        stack.callback(zygote.end)
        boxes = {}
        for name, wire in wires.items():
            boxes[name] = Middlebox(wire.listen(), issuer.site.port, tls=context)
            stack.callback(boxes[name].stop)
        victims = issuer.devices(*(f"victim-{number}" for number in range(7)))
        honest = issuer.devices("honest")
        checkers = {}
        for name, wire in wires.items():
            checkers[name] = zygote.start(
                name, url, namespace=wire.verifier.file, authorities=str(trusted), pause=0.01
            )
            checkers[name].watch(victims | honest)
        for checker in checkers.values():
            checker.wait(PASSED)
        with Revoking(judge, victims, every=0.4):
            until(uptime() + 0.6)
            known = uptime()
            mend = [cut(wires[name]) for name, cut in CUTS.items()]
            boxes["reset"].behave(behaviours.refusing, reset=True)
            cut = uptime()
            until(cut + 2.2)
        healed = uptime()
        for each in mend:
            each()
        boxes["reset"].behave(through)
        back = {}
        for name, checker in checkers.items():
            back[name] = checker.wait(PASSED, *honest, since=healed) - healed
        over = max(each.over for each in judge.acknowledged.values())
        for checker in checkers.values():
            checker.wait("session_revoked", *victims, since=over)
        yield Story(judge, checkers, known, cut, healed, back)


@pytest.mark.parametrize("name", NAMES)
def test_no_check_passes_after_the_bound(story: Story, name: str) -> None:
    """Of revocations before, while and after it was cut off."""
    story.judge.require_bound(story.checkers[name])


@pytest.mark.parametrize("name", NAMES)
def test_cut_off_it_goes_on_for_a_while_and_then_cannot_know(story: Story, name: str) -> None:
    """What it last heard was not older than a third of the bound; when the bound is over, honest
    tokens are refused with status_stale."""
    checker, judge = story.checkers[name], story.judge
    bound = 1.0
    goes_on = judge.honest(checker, since=story.known, until=story.known + bound / 3)
    assert {check.said for check in goes_on} <= {PASSED}
    stale = judge.honest(checker, since=story.cut + bound, until=story.healed)
    assert {check.said for check in stale if check.token == "honest"} == {"status_stale"}


def test_every_verifier_recovers_by_itself(story: Story) -> None:
    """Once there is a way again."""
    assert story.back.keys() == {*NAMES}
    assert max(story.back.values()) < RECOVERED, story.back
