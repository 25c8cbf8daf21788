"""What a folder of tests shares: one server, which they leave as it was, and its administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import live

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    with live.serving(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture
def admin(site: live.Site) -> live.Device:
    return site.administrator()
