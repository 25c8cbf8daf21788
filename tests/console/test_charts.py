"""What the overview draws: differences of counters, as lines and as a table."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from counterfoil.clock import SystemClock
from counterfoil.server.operations import samples as ring
from counterfoil.server.operations.metrics import Metrics
from counterfoil.server.operations.samples import KEPT, Sampler, Samples
from counterfoil.server.pages.console.charts import means, series
from counterfoil.server.pages.console.overview import charts
from counterfoil.testing.records import NOW
from waiting import come_true

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    import pytest
    from prometheus_client import Metric

MOMENTS = [NOW + timedelta(seconds=5 * number) for number in range(30)]


class Taken:
    """Samples that a test takes when it likes."""

    def __init__(self, metrics: Metrics) -> None:
        self._sampler = Sampler(metrics, SystemClock())
        self._kept = [self._sampler.taken()]

    def take(self) -> None:
        self._kept.append(self._sampler.taken())

    @property
    def samples(self) -> Samples:
        return Samples(tuple(self._kept))


def test_a_series_is_what_was_counted_between_two_samples() -> None:
    """Not what was counted before the first."""
    metrics = Metrics()
    metrics.sign_ins.count("accepted")
    taken = Taken(metrics)
    for count in (2, 0, 3):
        for _ in range(count):
            metrics.sign_ins.count("accepted")
        taken.take()
    assert taken.samples.rises("counterfoil_sign_ins_total", ["accepted"]) == [2, 0, 3]
    assert len(taken.samples.moments) == 3


def test_a_counter_that_began_anew_rose_from_nothing() -> None:
    """No chart goes below zero."""
    metrics, other = Metrics(), Metrics()
    for _ in range(5):
        metrics.sign_ins.count("accepted")
    other.sign_ins.count("accepted")
    both = Samples((*Taken(metrics).samples.kept, *Taken(other).samples.kept))
    assert both.rises("counterfoil_sign_ins_total", ["accepted"]) == [1]


class Shared(Metrics):
    """As those of a worker, but counted in this process alone."""

    def __init__(self, shared: Path) -> None:
        super().__init__()
        self.shared = shared

    def counted(self) -> Iterable[Metric]:
        return self.registry.collect()


@asynccontextmanager
async def taking(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """While it takes samples as fast as it can."""
    monkeypatch.setattr(ring, "EVERY", 0.0)
    task = asyncio.create_task(sampler.keep())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def lines(folder: Path) -> list[str]:
    """What is in the file."""
    with suppress(OSError):
        return (folder / ring.FILE).read_text().splitlines()
    return []


async def test_no_more_is_kept_than_a_chart_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes; the file is written anew before it grows."""
    monkeypatch.setattr(ring, "_ROOM", 300)
    sampler = Sampler(Shared(tmp_path), SystemClock())
    async with taking(sampler, monkeypatch):
        await come_true(lambda: len(lines(tmp_path)) >= 290)
        await come_true(lambda: 0 < len(lines(tmp_path)) < 290)
    found = (await sampler.samples()).kept
    assert len(found) == KEPT
    assert list(found) == sorted(found, key=lambda sample: sample.at)


async def test_one_worker_takes_them_and_all_tell_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others take none; one that is started again in its place goes on, whatever the former
    was writing when it was killed."""
    metrics = Shared(tmp_path)
    first, other = Sampler(metrics, SystemClock()), Sampler(metrics, SystemClock(), takes=False)
    assert (await other.samples()).kept == ()
    await other.keep()
    async with taking(first, monkeypatch):
        await come_true(lambda: len(lines(tmp_path)) > 3)  # the last may not be kept yet
    told = (await first.samples()).kept[:3]
    assert (await other.samples()).kept[:3] == told
    with (tmp_path / ring.FILE).open("a") as file:
        file.write("[1770000000.0, [[")
    again = Sampler(metrics, SystemClock())
    before = len(lines(tmp_path))
    async with taking(again, monkeypatch):
        await come_true(lambda: len(lines(tmp_path)) > before + 3)
    assert (await again.samples()).kept[:3] == told
    assert (await other.samples()).kept[:3] == told


async def test_a_full_disk_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is tried."""
    folder = tmp_path / "missing"
    sampler = Sampler(Shared(folder), SystemClock())
    async with taking(sampler, monkeypatch):
        await asyncio.sleep(0.05)
        folder.mkdir()
        await come_true(lambda: lines(folder))


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
    taken = Taken(metrics)
    for _ in range(3):
        metrics.checks.count("hybrid", "session_revoked")
    metrics.refreshes.count("hybrid", "session_revoked")
    metrics.sign_ins.count("sign_in_refused")
    metrics.checks.count("hybrid", "accepted")
    metrics.revocation_seconds.observe("revoke", 0.004)
    taken.take()
    told = {
        chart.id: [(each.name, each.total) for each in chart.series]
        for chart in charts(taken.samples)
    }
    assert told["refusals"] == [("session_revoked", "4"), ("sign_in_refused", "1")]
    assert told["sign-ins"] == [("Signed in", "0"), ("Refused", "1")]
    assert told["revocations"][1] == ("Until they were acknowledged, mean", "4.0 ms")
