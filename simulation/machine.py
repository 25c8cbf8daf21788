"""A machine: two clocks that may be wrong, and a process that may stand still, end and begin."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import CounterfoilError
from simulation.start import START

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from simulation.loop import Loop, Wait

    Over = Callable[[Any, CounterfoilError | None], object]

RIGHT: Final = 2.0  # seconds; a wall clock that is not further off is right
UP_BEFORE: Final = 5000.0


def _nothing() -> None:
    """What most do about it."""


class Machine:
    """A `counterfoil.clock.Clock`, and where processes run.

    rate: seconds that its clocks count in one true second. ahead: of its wall clock at the start.
    """

    def __init__(self, loop: Loop, name: str, *, rate: float = 1.0, ahead: float = 0.0) -> None:
        self.loop = loop
        self.name = name
        self.rate = rate
        self.is_up = True
        self.is_paused = False
        self._ahead = ahead
        self._moved = 0.0
        self._process = object()
        self._held: list[tuple[Callable[[], object], Callable[[], object]]] = []
        self._tasks: dict[Coroutine[Any, Any, Any], Callable[[], object]] = {}

    @property
    def is_running(self) -> bool:
        return self.is_up and not self.is_paused

    @property
    def is_right(self) -> bool:
        """Whether its wall clock says about what it should."""
        return abs(self._ahead + self._moved) <= RIGHT

    def uptime(self) -> float:
        """It goes on while the machine is suspended, and whatever happens to its processes."""
        return UP_BEFORE + self.loop.now * self.rate

    def now(self) -> datetime:
        return START + timedelta(seconds=self.loop.now * self.rate + self._ahead + self._moved)

    def move_clock(self, seconds: float) -> None:
        self._moved += seconds
        if abs(self._moved) < 1e-6:  # what rounding leaves
            self._moved = 0.0

    def bound(
        self, action: Callable[..., object], *, lost: Callable[[], object] = _nothing
    ) -> Callable[..., None]:
        """For the process that runs now: later while it is paused, and `lost` once it has ended."""
        process = self._process

        def act(*given: Any) -> None:
            if self._process is not process or not self.is_up:
                lost()
            elif self.is_paused:
                self._held.append((lambda: act(*given), lost))
            else:
                action(*given)

        return act

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self.loop.after(seconds / self.rate, self.bound(action))

    def spawn(
        self,
        coroutine: Coroutine[Any, Any, Any],
        over: Over,
        *,
        lost: Callable[[], object] = _nothing,
    ) -> None:
        """Runs it here; `over` hears its result, or the error of ours that it raised. `lost` is
        called in its place where a crash ends it."""
        self._tasks[coroutine] = lost
        self._step(coroutine, over, None, None)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        """What came meanwhile is looked at now, in the order in which it came."""
        self.is_paused = False
        held, self._held = self._held, []
        for action, _ in held:
            action()

    def crash(self) -> None:
        """Its processes end where they stand."""
        self.is_up = self.is_paused = False
        self._process = object()
        held, self._held = self._held, []
        tasks, self._tasks = self._tasks, {}
        for task in tasks:
            task.close()
        for lost in [*(lost for _, lost in held), *tasks.values()]:
            lost()

    def start(self) -> None:
        self.is_up = True

    def _step(
        self,
        coroutine: Coroutine[Any, Any, Any],
        over: Over,
        value: Any,
        error: Exception | None,
    ) -> None:
        try:
            waited: Wait = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as done:
            self._tasks.pop(coroutine, None)
            over(done.value, None)
        except CounterfoilError as why:
            self._tasks.pop(coroutine, None)
            over(None, why)
        else:
            waited.begin(self.bound(lambda value, error: self._step(coroutine, over, value, error)))
