"""The real browser of the tests: Debian's Chromium."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

# The same engine; the first comes without what is around a page, and takes half the time.
PROGRAMS: Final = ("chromium-headless-shell", "chromium")
REQUIRED: Final = "COUNTERFOIL_TEST_REQUIRE_BROWSER"
QUIET: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it runs, nothing else can use a loop. Without it the test skips aloud, or fails where
    CI says that it must be there."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        told = f"Chromium is not installed (Debian: apt install {PROGRAMS[0]})"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{told}, and {REQUIRED} is set")
        pytest.skip(f"NOT TESTED in a browser. {told}.")
    options = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()
