"""One server for all tests of the console that leave it as it was, and a browser for each file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browsers import chromium
from console.administering import Desk
from pages.visiting import Guest
from sites import admin, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    import live

__all__ = ["admin", "site"]


@pytest.fixture
def guest(site: live.Site) -> Guest:
    """Nobody yet."""
    return Guest(site)


@pytest.fixture
def desk(site: live.Site) -> Desk:
    """An administrator of their own, signed in to the pages, without a browser."""
    return Desk.at(site)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a file and no longer: while it runs, nothing else can use a loop."""
    with chromium() as browser:
        yield browser
