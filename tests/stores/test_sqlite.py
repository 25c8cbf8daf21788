from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class TestSqliteStore(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SqliteStore]:
        store = SqliteStore(tmp_path / "sessions.db")
        yield store
        await store.close()
