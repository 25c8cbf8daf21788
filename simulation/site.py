"""A service that checks: the real `Verifier` and `Following`, carried by no thread.

It does what `feeds.http` does with its one thread: keys are fetched beside the one poll that is
out, and each is waited for no longer than it may take. Answers to polls that come after that are
brought all the same: whoever follows must not look at them.
"""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from counterfoil import Verifier
from counterfoil.errors import IssuerUnavailable, Unavailable
from counterfoil.feeds.following import Following
from simulation.network import REFUSED
from simulation.node import ISSUER, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from counterfoil.feeds.following import Get
    from simulation.keys import KeyFolder
    from simulation.machine import Machine
    from simulation.network import Reply
    from simulation.trace import Trace

    Ask = Callable[[str, "Reply"], object]

AUDIENCE: Final = "services"
KEYS_MAX_AGE: Final = timedelta(seconds=60)
SOON: Final = 0.001


class _Carried:
    """In the place of the thread."""

    def ensure(self) -> None:
        """It is there."""


class SimulatedVerifier(Verifier):
    """Its randomness is given, and nobody follows for it."""

    def __init__(
        self, *, clock: Machine, chance: Random, tightest: timedelta | None, timeout: timedelta
    ) -> None:
        super().__init__(
            issuer=ISSUER,
            audience=AUDIENCE,
            max_staleness=tightest,
            keys_max_age=KEYS_MAX_AGE,
            timeout=timeout,
            clock=clock,
        )
        self._following = Following(
            ISSUER,
            keys_max_age=KEYS_MAX_AGE,
            tightest=tightest,
            timeout=timeout,
            clock=clock,
            entropy=chance.randbytes,
            chance=chance,
        )
        self._carrier: Any = _Carried()

    @property
    def following(self) -> Following:
        return self._following


class VerifierSite:
    """A machine with a verifier on it. ask: sends a request on its way."""

    def __init__(
        self,
        machine: Machine,
        *,
        ask: Ask,
        chance: Random,
        tightest: timedelta | None,
        timeout: timedelta,
        trace: Trace,
    ) -> None:
        self.machine = machine
        self.name = machine.name
        self._ask_for = ask
        self._chance = chance
        self._tightest = tightest
        self._timeout = timeout
        self._trace = trace
        self.begun_at = 0.0
        self.start()

    def start(self) -> None:
        """A new process, which knows nothing."""
        self.machine.start()
        self.begun_at = self.machine.loop.now
        self.verifier = SimulatedVerifier(
            clock=self.machine,
            chance=self._chance,
            tightest=self._tightest,
            timeout=self._timeout,
        )
        self.following = self.verifier.following
        self.following.keys.wake = self._wake
        self._asked: Get | None = None
        self._is_fetching = False
        self._woken = 0
        self._wake()

    @property
    def age(self) -> float:
        """Of what it knows, in true seconds."""
        return self.following.mirror.age(uptime=self.machine.uptime()) / self.machine.rate

    def knows_keys(self, folder: KeyFolder) -> bool:
        """Whether it is current, and holds every key that the issuer publishes."""
        kids = {key.kid for key in folder.public_keys()}
        try:
            held = self.following.keys.current(uptime=self.machine.uptime())
        except Unavailable:
            return False
        return self.following.is_current() and kids <= {key.kid for key in held}

    def _wake(self) -> None:
        self._sleep(0)

    def _sleep(self, seconds: float) -> None:
        self._woken += 1
        self.machine.after(seconds, partial(self._step, self._woken))

    def _step(self, woken: int) -> None:
        """Does what is due. woken: which of the alarms this is; only the latest counts."""
        if woken != self._woken:
            return
        following = self.following
        if not self._is_fetching and following.keys.due_in() <= 0:
            self._fetch_keys()
        if self._asked is None and following.due_in() <= 0:
            self._poll()
        until = math.inf if self._is_fetching else following.keys.due_in()
        if self._asked is None:
            until = min(until, following.due_in())
        if until < math.inf:
            self._sleep(max(SOON, until))

    def _poll(self) -> None:
        asked = self._asked = self.following.ask()
        if asked is None:
            return
        if asked.question is not None:
            self._tell("asks", f"from {_said(asked.question.position)}")
        else:
            self._tell("asks", "for a list")
        self._trace.count("polls")
        self._ask_for(asked.url, partial(self._took, asked))
        self.machine.after(asked.within, partial(self._failed, asked, "no answer in time"))

    def _took(self, asked: Get, answer: Any) -> None:
        if answer is REFUSED:
            self._failed(asked, "connection refused")
            return
        before, was = self.following.mirror.position, self.following.failure
        self.following.took(asked, answer.status, answer.body)
        position, failure = self.following.mirror.position, self.following.failure
        if position != before:
            self._tell("knows", _said(position))
        else:
            self._tell("hears", str(answer.status))
        if failure != was:
            self._tell("fails", failure.partition(": ")[2])
        self._over(asked)

    def _failed(self, asked: Get, why: str) -> None:
        if asked is self._asked:
            self._tell("fails", why)
        self.following.failed(asked, why)
        self._over(asked)

    def _over(self, asked: Get) -> None:
        if asked is self._asked:
            self._asked = None
            self._wake()

    def _fetch_keys(self) -> None:
        keys = self.following.keys
        self._is_fetching = True
        waiting = [keys]

        def over(answer: Any) -> None:
            if not waiting:
                return
            waiting.clear()
            self._is_fetching = False
            if isinstance(answer, Response):
                keys.answered(answer.status, answer.body)
            else:
                keys.failed(IssuerUnavailable("The keys could not be fetched."))
            self._tell("fetches", f"keys: {getattr(answer, 'status', 'no answer')}")
            self._wake()

        self._ask_for(keys.begin(), over)
        self.machine.after(self._timeout.total_seconds(), lambda: over(None))

    def _tell(self, verb: str, what: str) -> None:
        self._trace.tell(self.name, verb, what)


def _said(position: Any) -> str:
    return "nothing" if position is None else f"number {position.number}"
