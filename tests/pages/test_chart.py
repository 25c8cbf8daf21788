"""Where a number is drawn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from counterfoil.server.pages.chart import LEAST, LINES, MOST, Scale

SCALE = Scale()


def test_each_line_is_as_far_from_the_next() -> None:
    """Ten times as long is the same step upwards, wherever."""
    places = [at for at, _ in SCALE.lines]
    steps = {round(low - high) for low, high in pairwise(places)}
    assert len(steps) == 1
    assert [name for _, name in SCALE.lines] == ["0.1", "1", "10", "100"]
    assert (LINES[0], LINES[-1]) == (LEAST, MOST)


@pytest.mark.parametrize(("beyond", "edge"), [(0.0, LEAST), (0.01, LEAST), (5000.0, MOST)])
def test_what_is_beyond_an_edge_is_drawn_on_it(beyond: float, edge: float) -> None:
    """Nothing is drawn outside, and nothing fails."""
    assert SCALE.y(beyond) == SCALE.y(edge)


def test_first_and_last_are_within() -> None:
    """Right of the numbers, left of the end."""
    assert SCALE.left < SCALE.x(0) < SCALE.x(1) < SCALE.width
