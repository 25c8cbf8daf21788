"""What the report says in the end that no single test can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import published

if TYPE_CHECKING:
    import pytest


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
