"""A machine's clocks, and what becomes of what runs on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from counterfoil.errors import NotFound
from simulation.loop import Loop, Wait
from simulation.machine import UP_BEFORE, Machine
from simulation.start import START


def machine(**changes: Any) -> Machine:
    return Machine(Loop(), "n0", **changes)


def later(loop: Loop, seconds: float) -> Wait:
    return Wait(lambda resume: loop.after(seconds, lambda: resume(loop.now, None)))


def test_clocks_differ_by_rate_and_by_what_was_set() -> None:
    """Uptime takes no notice of anybody who sets the wall clock."""
    at = machine(rate=1.0005, ahead=0.5)
    at.loop.run(1000)
    at.move_clock(-30)
    assert at.uptime() == pytest.approx(UP_BEFORE + 1000.5)
    assert at.now() == START + timedelta(seconds=1000.5 + 0.5 - 30)
    assert not at.is_right
    at.move_clock(30)
    assert at.is_right


def test_a_coroutine_runs_in_simulated_time() -> None:
    """It goes on when what it waits for is there, and its result is heard."""
    at, heard = machine(), list[Any]()

    async def work() -> float:
        await later(at.loop, 1)
        moment: float = await later(at.loop, 2)
        return moment

    at.spawn(work(), lambda value, error: heard.append((value, error)))
    at.loop.run(10)
    assert heard == [(3.0, None)]


def test_an_error_of_ours_is_heard_and_any_other_is_not_swallowed() -> None:
    """A refusal is an outcome; a fault of the program ends the run."""
    at, heard = machine(), list[Any]()

    async def work(error: Exception) -> None:
        await later(at.loop, 1)
        raise error

    refused = NotFound()
    at.spawn(work(refused), lambda value, error: heard.append((value, error)))
    at.loop.run(5)
    assert heard == [(None, refused)]
    at.spawn(work(ZeroDivisionError()), lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        at.loop.run(10)


def test_a_paused_machine_catches_up_and_a_crashed_one_does_not() -> None:
    """What arrives meanwhile is looked at afterwards, in order; of a crash who waits is told."""
    at, seen = machine(), list[str]()
    hear = at.bound(seen.append, lost=lambda: seen.append("lost"))
    at.pause()
    hear("one")
    hear("two")
    assert seen == []
    at.resume()
    assert seen == ["one", "two"]
    at.crash()
    hear("three")
    assert seen == ["one", "two", "lost"]
    at.start()
    hear("four")
    assert seen[-2:] == ["lost", "lost"]


def test_a_crash_ends_coroutines_where_they_stand() -> None:
    """They clean up, and never go on."""
    at, seen = machine(), list[str]()

    async def work() -> None:
        try:
            await later(at.loop, 1)
            seen.append("went on")
        finally:
            seen.append("ended")

    at.spawn(work(), lambda *_: seen.append("over"), lost=lambda: seen.append("lost"))
    at.crash()
    at.start()
    at.loop.run(5)
    assert seen == ["ended", "lost"]
