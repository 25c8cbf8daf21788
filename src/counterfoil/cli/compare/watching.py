"""Checks that go on side by side while something is taken away, and what each was answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from counterfoil.cli.demo.caller import NotAsSaid
from counterfoil.cli.demo.outliving import Check, Tried

PAUSE: Final = 0.02
NO_ANSWER: Final = "no_answer"
_STEP: Final = 0.1
ACCEPTED: Final = ""


@dataclass(slots=True)
class Answer:
    """One answer for as long as it stayed: when the first check began that was given it, when that
    one ended, and when the last one began (`time.monotonic`). code: none where it was accepted."""

    code: str
    first: float
    given: float
    last: float


class Watch:
    """What each check has been answered so far, one after the other."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.seen: dict[str, list[Answer]] = {name: [] for name in checks}
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._go_on, args=item, daemon=True) for item in checks.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Returns once the checks that are under way have ended."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def answers(self, code: str, *names: str, since: float) -> bool:
        """Whether these checks were all answered so, lately: since that moment."""
        return all(
            self.seen[name]
            and self.seen[name][-1].code == code
            and self.seen[name][-1].last >= since
            for name in names or self.seen
        )

    def _go_on(self, name: str, check: Check) -> None:
        seen = self.seen[name]
        while not self._over.is_set():
            began, code = _answered(check)
            if seen and seen[-1].code == code:
                seen[-1].last = began
            else:
                seen.append(Answer(code, began, time.monotonic(), began))
            self._over.wait(PAUSE)


def wait(seconds: float, *, until: Callable[[], bool], noting: Callable[[float], None]) -> bool:
    """Whether it came to be so within that time. noting: told the seconds so far."""
    began = time.monotonic()
    while not until():
        if (gone := time.monotonic() - began) > seconds:
            return False
        noting(gone)
        time.sleep(_STEP)
    return True


@contextmanager
def watching(checks: Mapping[str, Check]) -> Iterator[Watch]:
    """Goes on until the end of the block."""
    watch = Watch(checks)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _answered(check: Check) -> Tried:
    began = time.monotonic()
    try:
        return check()
    except NotAsSaid:
        return Tried(began, NO_ANSWER)
