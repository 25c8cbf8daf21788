from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.cli.words import bounds, relative, span, stamp
from counterfoil.outcome import Changed

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.9, "0 s"),
        (119, "119 s"),
        (297, "4 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172799, "47 h"),
        (30 * 86400, "30 days"),
    ],
)
def test_a_span_is_told_in_the_largest_unit_that_says_enough(seconds: float, words: str) -> None:
    """Cut, not rounded: nobody is told that more is left than there is."""
    assert span(timedelta(seconds=seconds)) == words


def test_a_moment_that_has_come_is_past() -> None:
    """The second that a credential names as its end is over when it begins."""
    assert relative(NOW, now=NOW) == "0 s ago"
    assert relative(NOW + timedelta(minutes=4), now=NOW) == "in 4 min"
    assert stamp(NOW) == "2026-11-23 12:00:00Z"


def test_bounds_are_never_told_shorter_than_they_are() -> None:
    """Part of a second counts as one; nothing is at once."""
    lag = Changed(count=1, elsewhere_within=timedelta(seconds=296.2))
    assert bounds(lag) == "effective at once, elsewhere within 297 s"
