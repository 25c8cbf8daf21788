from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.store_contract import StoreContract
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TestPostgresStore(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[PostgresStore]:
        with new_schema() as url:
            store = PostgresStore(url)
            yield store
            await store.close()
