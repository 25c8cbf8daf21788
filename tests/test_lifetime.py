"""Durations and moments: one place compares them, and at a boundary one side is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.errors import ConfigurationError
from counterfoil.lifetime import (
    JITTER,
    Lifetime,
    access_end,
    has_passed,
    is_within,
    latest,
    remaining,
    seconds_up,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, 500_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
spans = st.timedeltas(timedelta(0), timedelta(days=400))


def test_the_defaults_are_those_of_the_design() -> None:
    """7 days idle, 30 absolute, 5 minutes of access, 10 seconds of grace."""
    assert Lifetime() == Lifetime(
        idle=timedelta(days=7),
        absolute=timedelta(days=30),
        access=timedelta(minutes=5),
        grace=timedelta(seconds=10),
    )


@pytest.mark.parametrize(
    ("durations", "named"),
    [
        ({"idle": timedelta(0)}, "idle"),
        ({"absolute": -SECOND}, "absolute"),
        ({"access": SECOND - TICK}, "access"),
        ({"grace": -TICK}, "grace"),
        ({"grace": timedelta(minutes=5) + TICK}, "grace"),
        ({"idle": timedelta(days=31)}, "idle"),
        ({"idle": timedelta(minutes=4)}, "access"),
    ],
)
def test_durations_that_contradict_each_other_are_refused(
    durations: dict[str, timedelta], named: str
) -> None:
    """When they are set, naming the one to change: an idle time below the access lifetime would
    end sessions that are in use, as a token's use is not seen."""
    with pytest.raises(ConfigurationError, match=named):
        Lifetime(**durations)


@pytest.mark.parametrize("name", ["idle", "absolute", "access", "grace"])
def test_a_bare_number_is_no_duration(name: str) -> None:
    """Its unit would be anybody's guess."""
    wrong: dict[str, Any] = {name: 300}
    with pytest.raises(ConfigurationError, match=f"Give {name} as a timedelta"):
        Lifetime(**wrong)


def test_durations_may_all_be_equal() -> None:
    """A session that lives exactly as long as its one token is legal, and so is no grace."""
    Lifetime(idle=SECOND, absolute=SECOND, access=SECOND, grace=timedelta(0))


def test_a_moment_that_is_reached_has_passed() -> None:
    """Whatever ends at a moment is not good in it."""
    assert has_passed(NOW, now=NOW)
    assert not has_passed(NOW, now=NOW - TICK)


def test_a_span_is_over_at_its_end() -> None:
    """At exactly ten seconds the grace of ten seconds is over."""
    assert is_within(NOW, 10 * SECOND, now=NOW + 10 * SECOND - TICK)
    assert not is_within(NOW, 10 * SECOND, now=NOW + 10 * SECOND)


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    """Nothing is over because the clock was set back."""
    assert is_within(NOW, SECOND, now=NOW - timedelta(days=1))


def test_no_span_at_all_is_over_at_once() -> None:
    """Grace 0 means none."""
    assert not is_within(NOW, timedelta(0), now=NOW)


def test_what_has_passed_or_never_was_leaves_nothing() -> None:
    """Remaining time is never negative."""
    assert remaining(None, now=NOW) == timedelta(0)
    assert remaining(NOW - SECOND, now=NOW) == timedelta(0)
    assert remaining(NOW + SECOND, now=NOW) == SECOND


def test_the_later_of_nothing_and_a_moment_is_the_moment() -> None:
    """`latest` serves fields that may still be empty."""
    assert latest(None, NOW) == NOW
    assert latest(NOW, NOW - SECOND) == NOW


@settings(deadline=None)
@given(st.timedeltas(SECOND, timedelta(days=2)), st.floats(0, 1))
def test_jitter_only_shortens_and_by_at_most_a_tenth(access: timedelta, share: float) -> None:
    """A token is never good for longer than was said; and ends with a whole second, as `exp`."""
    end = access_end(access, now=NOW, share=share)
    assert end.microsecond == 0
    assert end <= NOW + access
    assert end > NOW + access * (1 - JITTER) - 2 * SECOND


@settings(deadline=None)
@given(spans)
def test_a_promise_in_whole_seconds_is_rounded_up(span: timedelta) -> None:
    """What is promised over HTTP is never shorter than the truth, and less than a second longer."""
    promised = timedelta(seconds=seconds_up(span))
    assert span <= promised < span + SECOND


def test_rounding_up_is_exact_to_the_microsecond() -> None:
    """Ten seconds are 10, one microsecond more is 11, nothing is 0."""
    assert seconds_up(timedelta(seconds=10)) == 10
    assert seconds_up(timedelta(seconds=10) + TICK) == 11
    assert seconds_up(TICK) == 1
    assert seconds_up(timedelta(0)) == 0
