"""What concerns all tests together: how they are collected, and what the report says in the end."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

import published

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nothing of what is collected is garbage until the end, and there is a lot to look through."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says aloud, also at -q, which tests were left out for want of vectors."""
    skipped: list[Any] = terminalreporter.stats.get("skipped", [])
    missing = {each.nodeid for each in skipped if published.LEFT_OUT in str(each.longrepr)}
    if missing:
        files = sum("::" not in each for each in missing)
        terminalreporter.write_line(
            f"Left out, as the published vectors are not in {published.FOLDER}: files of tests:"
            f" {files}, single tests: {len(missing) - files}."
            f" Set {published.ELSEWHERE} to the folder where they are."
        )
