"""One bench, one experiment at a time, and nothing left of it."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil.server.lab import laboratory
from counterfoil.server.lab.bench import Bench
from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.laboratory import Laboratory
from counterfoil.server.lab.seen import Experiment, Note, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.server.lab.seen import Run, Seen
    from counterfoil.server.passwords.argon2id import HashProfile


class NoBench:
    """Stands for one where none is needed."""

    started_in = 0.0
    closed = 0

    def __init__(self, _: HashProfile) -> None:
        pass

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    NoBench.closed = 0
    monkeypatch.setattr(laboratory, "Bench", NoBench)


def experiment(run: Run) -> Experiment:
    return Experiment(slug="x", title="X", question="X?", does="X.", takes="", run=run)


def saying(*texts: str) -> Experiment:
    return experiment(lambda _: iter([Note(text) for text in texts]))


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def texts_of(run: Iterator[Seen]) -> list[str]:
    return [each.text for each in run if isinstance(each, Note)]


@pytest.mark.usefixtures("quick")
def test_the_second_run_waits_for_the_first() -> None:
    """It says so, and begins once the first has ended."""
    lab = Laboratory()
    first = lab.run(saying("a", "b"))
    next(first)
    second = lab.run(saying("c"))
    assert "Another experiment" in texts_of(iter([next(second)]))[0]
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.extend(texts_of(second)))
    thread.start()
    assert texts_of(first)[-1] == "b"
    thread.join(live.PATIENCE)
    assert ended == ["c"]


@pytest.mark.usefixtures("quick")
def test_only_so_many_wait() -> None:
    """One more is told that the lab is busy."""
    lab = Laboratory()
    runs = [lab.run(saying("a")) for _ in range(laboratory.MOST_AT_ONCE)]
    for each in runs:
        next(each)
    (busy,) = lab.run(saying("a"))
    assert isinstance(busy, Verdict)
    assert busy.title == "The lab is busy."
    for each in runs:
        each.close()  # type: ignore[attr-defined] # a generator
    assert texts_of(lab.run(saying("a")))[-1] == "a"


@pytest.mark.usefixtures("quick")
def test_a_run_that_is_left_makes_room() -> None:
    """Whoever goes away in the middle holds up nobody, and what was begun is put in order."""
    undone = []

    def run(_: Bench) -> Iterator[Any]:
        try:
            yield Note("begun")
            yield Note("never")
        finally:
            undone.append("put back")

    lab = Laboratory()
    left = lab.run(experiment(run))
    while next(left) != Note("begun"):
        pass
    left.close()  # type: ignore[attr-defined] # a generator
    assert undone == ["put back"]
    assert texts_of(lab.run(saying("a")))[-1] == "a"


@pytest.mark.usefixtures("quick")
def test_what_goes_wrong_is_said_and_its_bench_is_not_used_again() -> None:
    """The verdict is that it failed."""

    def run(_: Bench) -> Iterator[Any]:
        yield Note("begun")
        raise NotAsSaid("The answer was 500, not 200.")

    lab = Laboratory()
    *_, verdict = lab.run(experiment(run))
    assert verdict == Verdict("failed", "This was not as said.", "The answer was 500, not 200.")
    assert (lab.bench, NoBench.closed) == (None, 1)


@pytest.mark.usefixtures("quick")
def test_what_nobody_foresaw_ends_in_order_too() -> None:
    """The page has begun, and is owed an end: the kind of it, and nothing that was sent."""
    sent: dict[str, Note] = {}
    *_, verdict = Laboratory().run(experiment(lambda _: iter([sent["marker"]])))
    assert verdict == Verdict("failed", "This was not as said.", "KeyError.")


@pytest.mark.usefixtures("quick")
def test_a_server_that_stops_ends_its_runs() -> None:
    """At the next step, and none begins after that."""
    lab = Laboratory()
    run = lab.run(saying("a", "b"))
    while next(run) != Note("a"):
        pass
    lab.release()
    assert [type(each) for each in run] == [Verdict]


@pytest.mark.usefixtures("quick")
def test_an_unused_bench_is_taken_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next run has another one."""
    monkeypatch.setattr(laboratory, "_LOOK_EVERY", 0.01)
    lab = Laboratory(unused=0.05)
    list(lab.run(saying("a")))
    assert lab.bench is not None

    async def kept() -> None:
        keeping = asyncio.create_task(lab.keep())
        await asyncio.to_thread(live.until, lambda: lab.bench is None)
        keeping.cancel()

    asyncio.run(asyncio.wait_for(kept(), live.PATIENCE))
    assert NoBench.closed == 1
    assert texts_of(lab.run(saying("a")))[0].startswith("Starting")


def test_nothing_is_left() -> None:
    """Neither a process nor the folder, once the lab is closed."""
    lab = Laboratory()
    list(lab.run(saying("a")))
    bench = lab.bench
    assert bench is not None
    pids = [child.pid for child in bench.children]
    assert pids
    assert bench.folder.exists()
    lab.close()
    assert [pid for pid in pids if not gone(pid)] == []
    assert not bench.folder.exists()


def test_nothing_is_left_of_a_server_that_was_killed(tmp_path: Path) -> None:
    """Its scratch server ends as the pipe closes, and removes the folder."""
    bench = Bench()
    (child,) = bench.children
    stdin = child._process.stdin  # noqa: SLF001 - what the end of this process would do
    assert stdin is not None
    stdin.close()
    live.until(lambda: child._process.poll() is not None)  # noqa: SLF001 - as above
    live.until(lambda: not bench.folder.exists())
    bench.folder = tmp_path / "none"
    bench.close()


def test_a_bench_that_does_not_begin_says_why() -> None:
    """In one sentence, and its process has ended."""
    bench = Bench()
    with pytest.raises(NotAsSaid, match=r"does not begin: .*KeyError"):
        bench._child("second_service", wrong=True).said()  # noqa: SLF001 - what no experiment does
    bench.close()
