"""One server for all tests here that leave it as it was, and a browser for each file."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

import live
from pages.visiting import Guest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    with live.serving(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture
def admin(site: live.Site) -> live.Device:
    return site.administrator()


@pytest.fixture
def guest(site: live.Site) -> Guest:
    return Guest(site)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. For a file and no longer: while it runs, nothing else can use a loop."""
    program = shutil.which("chromium")
    if program is None:
        missing = "Chromium is not installed (Debian: apt install chromium)"
        if os.environ.get("COUNTERFOIL_TEST_REQUIRE_BROWSER"):
            pytest.fail(missing)
        pytest.skip(f"NOT TESTED: the pages in a browser. {missing}.")
    options = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()
