"""One server for all tests here that leave it as it was, on each database in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import live
from postgresql import new_schema
from sites import admin
from valkeys import empty_valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["admin", "site"]


@pytest.fixture(scope="session", params=["sqlite", "postgres", "valkey"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[live.Site]:
    data = tmp_path_factory.mktemp("site") / "data"
    if request.param == "sqlite":
        with live.serving(data) as site:
            yield site
        return
    if request.param == "valkey":
        with empty_valkey() as url, live.serving(data, sessions=url) as site:
            yield site
        return
    with new_schema() as url, live.serving(data, store=url) as site:
        yield site
