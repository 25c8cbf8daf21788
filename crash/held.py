"""A session as its owner knows it: what was acknowledged, what is not known, and how it came."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal

from crash.calling import Credential

if TYPE_CHECKING:
    from crash.calling import Answer

GRACE: Final = 10.0  # seconds
MARGIN: Final = 2.0  # of it, for a request to arrive
BOUND: Final = 10.0  # seconds that a hybrid token may outlive its session, wherever it is checked
FRESH: Final = 240.0  # seconds in which no token has expired, however much it was cut short
MOST_ROTATIONS: Final = 40  # within a grace; a session remembers 64
REMEMBERED: Final = 40  # lines of a history


class Violation(Exception):
    """What was promised does not hold. history: of the session concerned, line by line."""

    def __init__(self, what: str, history: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.history = history


@dataclass(slots=True, eq=False)
class Held:
    """A session.

    is_doubtful: its end was asked for, and no answer came. unanswered: what was asked of its handle
    without an answer, at `unanswered_at` for the first time. spent: the handle before this one, if
    it leads to this one, which it does not for ever from `spent_at` on.
    """

    name: str
    client_id: str
    session_id: str = ""
    handle: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    issued_at: float = 0.0
    spent: str = field(default="", repr=False)
    spent_at: float = 0.0
    unanswered: Literal["", "refresh", "step-up"] = ""
    unanswered_at: float = 0.0
    is_doubtful: bool = False
    ended_at: float = 0.0
    handles: int = 0
    rotations: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_ROTATIONS))
    history: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def credential(self) -> Credential:
        return Credential(bearer=self.token) if self.token else Credential(cookie=self.handle)

    def take(self, answer: Answer, *, asked_at: float, leads: bool = True) -> None:
        """Keeps what was handed out. leads: whether the handle before, if this is another one,
        leads to it."""
        given = answer.body["credential"]
        handle = answer.cookie or given["refresh_handle"]
        if handle != self.handle:
            self.spent = self.handle if leads else ""
            self.spent_at = self.unanswered_at if self.unanswered else asked_at
            self.rotations.append(monotonic())
            self.handles += 1
        self.handle = handle
        self.token = given.get("token", "")
        self.issued_at = asked_at
        self.unanswered = ""

    def ask_again(self, what: Literal["refresh", "step-up"], *, asked_at: float) -> None:
        """No answer came to this."""
        if not self.unanswered:
            self.unanswered, self.unanswered_at = what, asked_at

    @property
    def is_plain(self) -> bool:
        """Whether all is known of it."""
        return not self.is_doubtful and not self.unanswered

    @property
    def is_in_time(self) -> bool:
        """Whether the grace of what went unanswered cannot have passed, whenever it took effect."""
        return not self.unanswered or monotonic() - self.unanswered_at < GRACE

    @property
    def is_fresh(self) -> bool:
        """Whether its credential cannot have expired."""
        return not self.token or monotonic() - self.issued_at < FRESH

    @property
    def may_rotate(self) -> bool:
        """Whether no refresh is refused for coming too often."""
        full = len(self.rotations) == MOST_ROTATIONS
        return not full or monotonic() - self.rotations[0] > GRACE + 1

    @property
    def may_repeat(self) -> bool:
        """Whether the handle before this one leads to it, for long enough to ask."""
        return bool(self.spent) and monotonic() - self.spent_at < GRACE - MARGIN

    @property
    def is_forgotten(self) -> bool:
        """Whether the handle before this one may lead nowhere by now, and ends the session."""
        return monotonic() - self.spent_at > GRACE

    def violated(self, what: str) -> Violation:
        return Violation(f"{self.name}: {what}", tuple(self.history))
