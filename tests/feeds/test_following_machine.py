"""A verifier, its issuer, and everything that can happen on the way between them, in any order."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from counterfoil.drive import drive
from counterfoil.errors import SessionRevoked, StatusStale, SubjectSuspended
from nodes import Node, Pair, node, verifier_of

if TYPE_CHECKING:
    from counterfoil import Opened
    from counterfoil.feeds.following import Get
    from nodes import Reply

L: Final = 10.0
FAULTS: Final = ("lost", "cut short", "refused", "replayed", "late")
SUBJECTS: Final = ("ann", "ben")


@dataclass
class Issued:
    """A credential, and from when on nothing may pass it."""

    opened: Opened
    revoked_at: float | None = None


class Wire(RuleBasedStateMachine):
    """No check that begins more than L after an acknowledgement passes, and nobody is refused for
    what never happened to them; once all is well, everything is known."""

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.stack = ExitStack()
        self.issuer: Node = self.stack.enter_context(node(self.patch))
        self.issuer.told()
        self.pair: Pair = verifier_of(self.issuer)
        self.pair.fetch_keys()
        self.pair.between = self.between
        self.issued: list[Issued] = []
        self.suspended_at: dict[str, float] = {}
        self.once_suspended: set[str] = set()
        self.said: list[Reply] = []
        self.fault = "none"
        for subject in SUBJECTS * 3:
            self.open(subject)
        self.pair.settle()

    @property
    def uptime(self) -> float:
        return self.issuer.clock.uptime()

    def between(self, _: Get, reply: Reply) -> Reply | None:
        status, body = reply
        if self.fault == "lost":
            return None
        if self.fault == "cut short":
            return status, body[: len(body) // 2]
        if self.fault == "refused":
            return 503, b""
        if self.fault == "replayed" and self.said:
            return self.said[-1]
        if self.fault == "late":
            # What happens while an answer is on its way is not in it.
            live = (n for n, issued in enumerate(self.issued) if self.passes(issued))
            self.revoke(next(live, 0))
            self.issuer.clock.advance(timedelta(seconds=7))
            self.nothing_revoked_passes_for_long_and_nobody_is_refused_for_nothing()
        self.said.append(reply)
        return reply

    def passes(self, issued: Issued) -> bool:
        return self.pair.refusal(issued.opened) is None

    @rule(subject=st.sampled_from(SUBJECTS))
    @precondition(lambda self: len(self.issued) < 12)
    def open(self, subject: str) -> None:
        if subject not in self.suspended_at:
            self.issued.append(Issued(self.issuer.open(subject)))

    @rule(which=st.integers(0, 20))
    def revoke(self, which: int) -> None:
        if not self.issued:
            return
        issued = self.issued[which % len(self.issued)]
        self.issuer.revoke(issued.opened)
        issued.revoked_at = issued.revoked_at or self.uptime

    @rule(subject=st.sampled_from(SUBJECTS))
    def suspend(self, subject: str) -> None:
        drive(self.issuer.scene.auth.suspend(subject))
        self.suspended_at.setdefault(subject, self.uptime)
        self.once_suspended.add(subject)

    @rule(subject=st.sampled_from(SUBJECTS))
    def reinstate(self, subject: str) -> None:
        drive(self.issuer.scene.auth.reinstate(subject))
        self.suspended_at.pop(subject, None)

    @rule(seconds=st.sampled_from([3, 9, 11]))
    def wait(self, seconds: float) -> None:
        self.issuer.clock.advance(timedelta(seconds=seconds))

    @rule(times=st.integers(1, 3))
    def ask(self, times: int) -> None:
        for _ in range(times):
            self.pair.step()

    @rule(fault=st.sampled_from(FAULTS), which=st.integers(0, 20), pause=st.sampled_from([1, 3]))
    def revoke_in_trouble(self, fault: str, which: int, pause: int) -> None:
        """All that is asked for a while after a revocation meets the same trouble."""
        self.revoke(which)
        self.fault = fault
        for _ in range(5):
            self.pair.step()
            self.wait(pause)
            self.nothing_revoked_passes_for_long_and_nobody_is_refused_for_nothing()
        self.fault = "none"

    @rule()
    def forget(self) -> None:
        """The process of the verifier is started anew."""
        self.pair = verifier_of(self.issuer)
        self.pair.fetch_keys()
        self.pair.between = self.between

    @invariant()
    def nothing_revoked_passes_for_long_and_nobody_is_refused_for_nothing(self) -> None:
        for issued in getattr(self, "issued", ()):
            refusal = self.pair.refusal(issued.opened)
            subject = issued.opened.session.subject
            for since in (issued.revoked_at, self.suspended_at.get(subject)):
                assert since is None or refusal is not None or self.uptime <= since + L
            assert refusal is not SessionRevoked or issued.revoked_at is not None
            assert refusal is not SubjectSuspended or subject in self.once_suspended
            assert refusal in {None, SessionRevoked, SubjectSuspended, StatusStale}

    def teardown(self) -> None:
        if not hasattr(self, "pair"):
            return
        try:
            self.pair.settle()
            for issued in self.issued:
                expected: type[Exception] | None = None
                if issued.revoked_at is not None:
                    expected = SessionRevoked
                elif issued.opened.session.subject in self.suspended_at:
                    expected = SubjectSuspended
                assert self.pair.refusal(issued.opened) is expected
        finally:
            self.stack.close()
            self.patch.undo()


TestWire = Wire.TestCase
TestWire.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
