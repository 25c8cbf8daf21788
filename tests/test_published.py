"""Tests of published vectors are left out aloud where the vectors are not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import published

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ("tests/vectors/test_rfc7515.py", "tests/vectors/test_jose_cookbook.py")


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *TESTS],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "in processes"])
def test_the_report_says_how_many_were_left_out(tmp_path: Path, options: tuple[str, ...]) -> None:
    """In one line, with what to set; each is counted once, however many processes saw it."""
    done = run(*options, **{published.ELSEWHERE: str(tmp_path), published.REQUIRED: ""})
    assert done.returncode == 0, done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("Left out")]
    said = re.search(r"not in (.+): files of tests: 1, single tests: (\d+)\. Set (\w+) to", line)
    assert said
    assert said[1] == str(tmp_path)
    assert int(said[2]) > 1
    assert said[3] == published.ELSEWHERE


def test_where_they_are_required_none_is_left_out(tmp_path: Path) -> None:
    """As in CI, where they lie beside the checkout."""
    done = run(**{published.ELSEWHERE: str(tmp_path), published.REQUIRED: "1"})
    assert done.returncode != 0
    assert "FileNotFoundError" in done.stdout
