"""One bench for all experiments here; each begins with people of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.server.lab.bench import Bench
from counterfoil.server.passwords.hashing import CHEAPEST

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    bench = Bench(CHEAPEST)
    try:
        yield bench
    finally:
        bench.close()
