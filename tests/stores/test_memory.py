from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.stores.memory import MemoryStore
from counterfoil.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TestMemoryStore(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[MemoryStore]:
        store = MemoryStore()
        yield store
        await store.close()
