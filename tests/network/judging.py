"""The judge: what was acknowledged, what was checked, and whether the one broke the other's word.

It goes by recorded events alone. Every time is uptime, on the one clock that all processes of a
machine share.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from network.checking import PASSED, ROUND, uptime

if TYPE_CHECKING:
    from collections.abc import Mapping

    import live
    from network.fleet import Check, Checker

FOREVER: Final = float("inf")


class Acknowledged(NamedTuple):
    """A sign-out. sent: just before it was asked for. at: when the answer was there. within: the
    seconds that the answer names."""

    sent: float
    at: float
    within: float

    @property
    def over(self) -> float:
        """No check that begins after this may pass."""
        return self.at + self.within


@dataclass(slots=True)
class Judge:
    """Signs out, remembers what was acknowledged, and judges."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)

    def sign_out(
        self, name: str, device: live.Device, *, within: float | None = None
    ) -> Acknowledged:
        """within: the bound, where the answer's own word on it is not to be relied on. Who answers
        may be killed meanwhile: then it is asked for again, and may have happened."""
        sent, revoked = uptime(), {1}
        try:
            answer = device.sign_out()
        except ConnectionError:
            answer, revoked = device.sign_out(), {0, 1}
        at = uptime()
        assert answer.status == 200, answer
        assert answer.json["revoked"] in revoked
        told: float = answer.json["effective_within_seconds"]
        return self.remember(name, sent, at, told if within is None else within)

    def remember(self, name: str, sent: float, at: float, within: float) -> Acknowledged:
        self.acknowledged[name] = Acknowledged(sent, at, within)
        return self.acknowledged[name]

    def late(self, checker: Checker) -> list[Check]:
        """The checks that passed and may not have: each of them breaks the promise."""
        return [
            check
            for log in checker.read()
            for check in log.checks
            if check.said == PASSED
            and check.token in self.acknowledged
            and check.began > self.acknowledged[check.token].over
        ]

    def require_bound(self, *checkers: Checker) -> None:
        """No check passed that began after the bound; and each of the processes did check each of
        the tokens after it, so that this says something."""
        for checker in checkers:
            late = [(c, self.acknowledged[c.token]) for c in self.late(checker)]
            assert not late, f"{checker.name}: {len(late)} checks passed too late: {late[:5]}"
            for name in checker.tokens & self.acknowledged.keys():
                over = self.acknowledged[name].over
                for log in checker.logs:
                    judged = [c for c in log.checks if c.token == name and c.began > over]
                    assert judged, f"{checker.name} did not check {name} after its bound"

    def delays(self, checker: Checker) -> list[float]:
        """For each sign-out and each process: seconds from the acknowledgement until the first
        check that was refused began."""
        found = []
        for log in checker.read():
            for name in checker.tokens & self.acknowledged.keys():
                told = self.acknowledged[name]
                refused = (
                    check.began - told.at
                    for check in log.checks
                    if check.token == name and check.began > told.sent and check.said != PASSED
                )
                found.append(max(0.0, next(refused)))
        return found

    def honest(self, checker: Checker, *, since: float, until: float = FOREVER) -> list[Check]:
        """The checks of honest tokens that began in this time: before anybody asked for their
        end."""
        return [
            check
            for log in checker.read()
            for check in log.checks
            if check.token != ROUND and since <= check.began < min(until, self._sent(check.token))
        ]

    def refused(
        self, checker: Checker, *, since: float, until: float = FOREVER
    ) -> Counter[tuple[str, str]]:
        """What honest tokens were refused with in this time, by token and code."""
        checks = self.honest(checker, since=since, until=until)
        return Counter((check.token, check.said) for check in checks if check.said != PASSED)

    def _sent(self, name: str) -> float:
        known = self.acknowledged.get(name)
        return FOREVER if known is None else known.sent


class Revoking:
    """Signs devices out one after the other, each so many seconds after the one before, in a
    thread; to leave it is to wait for the last of them."""

    def __init__(self, judge: Judge, devices: Mapping[str, live.Device], *, every: float) -> None:
        self._judge = judge
        self._left = dict(devices)
        self._every = every
        self._stop = threading.Event()
        self._failure: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="revoking")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop.set()
        self._thread.join()
        if self._failure:
            raise self._failure[0]

    def _run(self) -> None:
        try:
            for name, device in self._left.items():
                self._judge.sign_out(name, device)
                if self._stop.wait(self._every):
                    return
        except BaseException as why:  # noqa: BLE001 - told to who waits
            self._failure.append(why)


def until(moment: float) -> None:
    """Waits for that uptime."""
    time.sleep(max(0.0, moment - uptime()))
