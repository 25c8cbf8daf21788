"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.server.pages import words

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "less than a minute ago"),
        (0, "less than a minute ago"),
        (59, "less than a minute ago"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (86399, "23 hours ago"),
        (86400 * 2, "2 days ago"),
    ],
)
def test_a_moment_is_told_by_its_largest_unit(seconds: int, said: str) -> None:
    """Cut, never rounded up to more than it was; a clock that was ahead is no news."""
    assert words.ago(NOW - timedelta(seconds=seconds), now=NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "1 second"),
        (0.2, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (3601, "61 minutes"),
    ],
)
def test_a_wait_is_never_told_too_short(seconds: float, said: str) -> None:
    """Rounded up to whole seconds, or minutes from two on."""
    assert words.span(timedelta(seconds=seconds)) == said


def test_a_moment_is_told_in_utc() -> None:
    """Whatever zone it came in."""
    assert words.stamp(NOW.replace(day=3)) == "3 Nov 2026, 12:00 UTC"
