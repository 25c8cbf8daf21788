"""What the overview draws: differences of counters, as lines and as a table."""

from __future__ import annotations

from datetime import timedelta

from counterfoil.clock import SystemClock
from counterfoil.server.operations.metrics import Metrics
from counterfoil.server.operations.samples import KEPT, Samples
from counterfoil.server.pages.console.charts import means, series
from counterfoil.server.pages.console.overview import charts
from counterfoil.testing.records import NOW

MOMENTS = [NOW + timedelta(seconds=5 * number) for number in range(30)]


def sampled(metrics: Metrics) -> Samples:
    samples = Samples(metrics, SystemClock())
    samples.kept.append(samples.taken())
    return samples


def test_a_series_is_what_was_counted_between_two_samples() -> None:
    """Not what was counted before the first."""
    metrics = Metrics()
    metrics.sign_ins.count("accepted")
    samples = sampled(metrics)
    for count in (2, 0, 3):
        for _ in range(count):
            metrics.sign_ins.count("accepted")
        samples.kept.append(samples.taken())
    assert samples.rises("counterfoil_sign_ins_total", ["accepted"]) == [2, 0, 3]
    assert len(samples.moments) == 3


def test_a_counter_that_began_anew_rose_from_nothing() -> None:
    """No chart goes below zero."""
    metrics, other = Metrics(), Metrics()
    for _ in range(5):
        metrics.sign_ins.count("accepted")
    other.sign_ins.count("accepted")
    samples = sampled(metrics)
    samples.kept.append(sampled(other).kept[0])
    assert samples.rises("counterfoil_sign_ins_total", ["accepted"]) == [1]


def test_no_more_is_kept_than_a_chart_shows() -> None:
    """A ring: the oldest goes."""
    samples = Samples(Metrics(), SystemClock())
    for _ in range(KEPT + 5):
        samples.kept.append(samples.taken())
    assert len(samples.kept) == KEPT


def test_a_table_has_a_row_for_each_minute_and_adds_up() -> None:
    """Newest first; the last may be a part of one."""
    drawn = series("Signed in", [1.0] * 30, MOMENTS)
    assert drawn.total == "30"
    assert [words for _, words in drawn.minutes] == ["12", "12", "6"]
    assert drawn.minutes[0][0] == MOMENTS[-1]
    assert drawn.points.split()[-1] == "240,1.0"


def test_a_mean_is_of_all_calls_and_not_of_intervals() -> None:
    """One call of 1 ms and three of 3 ms take 2.5 ms; where there was none, none is said."""
    drawn = means("Until acknowledged", [0.001, 0.009, 0.0], [1, 3, 0], MOMENTS[:3])
    assert drawn.total == "2.5 ms"
    assert means("", [0.0], [0], MOMENTS[:1]).total == "none"
    assert means("", [], [], []).is_flat


def test_refusals_are_ranked_and_told_by_code() -> None:
    """Of checks, refreshes and sign-ins together."""
    metrics = Metrics()
    samples = sampled(metrics)
    for _ in range(3):
        metrics.checks.count("hybrid", "session_revoked")
    metrics.refreshes.count("hybrid", "session_revoked")
    metrics.sign_ins.count("sign_in_refused")
    metrics.checks.count("hybrid", "accepted")
    metrics.revocation_seconds.observe("revoke", 0.004)
    samples.kept.append(samples.taken())
    told = {
        chart.id: [(each.name, each.total) for each in chart.series] for chart in charts(samples)
    }
    assert told["refusals"] == [("session_revoked", "4"), ("sign_in_refused", "1")]
    assert told["sign-ins"] == [("Signed in", "0"), ("Refused", "1")]
    assert told["revocations"][1] == ("Until they were acknowledged, mean", "4.0 ms")
