"""Live connections in tests: noticed quickly, and nothing is left of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.integrations import live_watch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No watch goes on once its connections have gone, however they did."""
    yield
    assert live_watch._watches == {}  # noqa: SLF001 - what is left behind is seen nowhere else


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps come fifty times a second."""
    monkeypatch.setattr(live_watch, "EVERY", 0.02)
