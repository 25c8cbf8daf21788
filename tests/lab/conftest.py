"""What the tests of the lab share: a bench, and a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browsers import chromium
from counterfoil.server.lab.bench import Bench
from counterfoil.server.passwords.hashing import CHEAPEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    bench = Bench(CHEAPEST)
    try:
        yield bench
    finally:
        bench.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one file and no longer: while it runs, nothing else can use a loop."""
    with chromium() as browser:
        yield browser
