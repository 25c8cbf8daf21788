from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Final

import pytest

from counterfoil.feeds.pace import Pace
from counterfoil.status_feed import LONGEST_WAIT

SECOND: Final = timedelta(seconds=1)
NOTHING: Final = timedelta(0)


def a_pace() -> Pace:
    return Pace(timeout=5, chance=Random(1))  # noqa: S311 - no secret


def slow(delay: float) -> Pace:
    pace = a_pace()
    pace.answered(after=delay, wait=NOTHING)
    return pace


@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_on_a_quick_network_two_tries_fit(seconds: int) -> None:
    """A request waits for a third of max_staleness at most, and has as long again for the way."""
    bound = seconds * SECOND
    pace = a_pace()
    for _ in range(100):
        wait = pace.wait(bound)
        assert bound * 0.3 <= wait + SECOND / 1000 or wait >= LONGEST_WAIT * 0.9
        assert wait <= min(bound / 3, LONGEST_WAIT)
    assert pace.patience(bound, longest=bound) == min(5, max(0.25, seconds / 3))


@pytest.mark.parametrize(("seconds", "delay"), [(1, 0.2), (1, 0.4), (10, 1.0), (10, 2.2)])
def test_a_slow_network_costs_no_honest_token(seconds: int, delay: float) -> None:
    """Two requests and their ways fit into max_staleness, and neither is given up before it can
    be answered."""
    bound = seconds * SECOND
    pace = slow(delay)
    for _ in range(100):
        wait = pace.wait(bound)
        assert 2 * (wait.total_seconds() + delay) < seconds
        assert pace.patience(bound, longest=bound) > delay
        pace.answered(after=wait.total_seconds() + delay, wait=wait)


def test_each_try_that_fails_gives_the_next_one_longer() -> None:
    """Nobody knows how slow a network is that has not answered; but an answer that comes when no
    client's tokens can pass by it is not waited for."""
    pace, given = a_pace(), []
    for _ in range(6):
        given.append(pace.patience(SECOND, longest=10 * SECOND))
        pace.failed()
    assert given == pytest.approx([1 / 3, 2 / 3, 4 / 3, 8 / 3, 5, 5])
    assert pace.patience(SECOND, longest=SECOND) == 1


def test_a_network_that_was_slow_is_forgiven() -> None:
    """Answers that are quick again let requests wait as before."""
    pace = slow(3.0)
    assert pace.wait(SECOND) == NOTHING
    for _ in range(60):
        pace.answered(after=0.3, wait=timedelta(seconds=0.3))
    assert pace.wait(SECOND) > timedelta(seconds=0.29)


def test_pauses_grow_and_stay_short() -> None:
    """Longer after each failure, and no longer than a quarter of max_staleness, or two seconds."""
    pace = a_pace()
    for _ in range(20):
        pace.failed()
        assert 0.05 <= pace.pause(None) <= 2
        assert 0.05 <= pace.pause(SECOND) <= 0.25
    assert pace.pause(60 * SECOND) >= 1


def test_before_anything_is_known_the_timeout_counts() -> None:
    assert a_pace().patience(None, longest=None) == 5
