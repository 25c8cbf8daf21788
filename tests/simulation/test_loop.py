"""Simulated time: in order, and one order only."""

from __future__ import annotations

from simulation.loop import Loop


def test_what_is_due_happens_in_order_of_time_then_of_planning() -> None:
    """Two things at one moment keep the order in which they were planned."""
    loop, seen = Loop(), list[tuple[float, str]]()
    for when, name in ((2.0, "late"), (1.0, "first"), (1.0, "second")):
        loop.at(when, lambda name=name: seen.append((loop.now, name)))  # type: ignore[misc]
    loop.run(3.0)
    assert seen == [(1.0, "first"), (1.0, "second"), (2.0, "late")]
    assert loop.now == 3.0


def test_what_is_due_later_waits() -> None:
    """A run ends at its moment, and another goes on from there."""
    loop, seen = Loop(), list[float]()
    loop.after(1.0, lambda: loop.after(1.0, lambda: seen.append(loop.now)))
    loop.run(1.5)
    assert seen == []
    loop.run(2.0)
    assert seen == [2.0]


def test_nothing_happens_in_the_past() -> None:
    """What is planned for a moment that has gone happens now."""
    loop, seen = Loop(), list[float]()
    loop.run(5.0)
    loop.at(1.0, lambda: seen.append(loop.now))
    loop.run(5.0)
    assert seen == [5.0]
