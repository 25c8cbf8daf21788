from __future__ import annotations

import os
import resource
import sys
import threading
import time
from pathlib import Path

import pytest

from counterfoil.stores.folder_watch import MOMENT, FolderWatch

told = pytest.mark.skipif(sys.platform != "linux", reason="Here nobody tells; one looks again.")


@told
def test_who_waits_is_told_at_once(tmp_path: Path) -> None:
    """By a write of anybody to any file there, long before the time is over."""
    watch = FolderWatch(tmp_path)
    writing = threading.Timer(0.05, (tmp_path / "log").write_bytes, [b"1"])
    writing.start()
    began = time.monotonic()
    assert watch.wait(30) is True
    assert time.monotonic() - began < 10
    writing.join()


@told
def test_what_happened_before_is_told_once(tmp_path: Path) -> None:
    """Nothing is lost between two waits, however much it was, and nothing is told twice."""
    watch = FolderWatch(tmp_path)
    for number in range(100):
        (tmp_path / str(number)).write_bytes(b"1")
    assert watch.wait(30) is True
    assert watch.wait(0.01) is False


@told
def test_reading_is_no_writing(tmp_path: Path) -> None:
    """Or who looks would wake itself for ever."""
    (tmp_path / "log").write_bytes(b"1")
    watch = FolderWatch(tmp_path)
    (tmp_path / "log").read_bytes()
    assert watch.wait(0.01) is False


def looks_again_soon(watch: FolderWatch) -> bool:
    began = time.monotonic()
    return watch.wait(30) is False and MOMENT <= time.monotonic() - began < 10


def test_where_nobody_tells_one_looks_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another system, for a folder that is gone, and where no more watches are to be had."""
    assert looks_again_soon(FolderWatch(tmp_path / "gone"))
    monkeypatch.setattr(sys, "platform", "plan9")
    assert looks_again_soon(FolderWatch(tmp_path))


@told
def test_without_a_descriptor_one_looks_again_soon(tmp_path: Path) -> None:
    """The last file that the process may open is not taken for this, and nothing fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(tmp_path, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        watch = FolderWatch(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert looks_again_soon(watch)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@told
def test_it_gives_its_descriptor_back(tmp_path: Path) -> None:
    """With the thread that waited."""
    before = descriptors()
    for _ in range(5):
        watch = FolderWatch(tmp_path)
        assert watch.wait(0.001) is False
        del watch
    assert descriptors() <= before
