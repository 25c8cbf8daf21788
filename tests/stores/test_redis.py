"""RedisStore over a real Valkey, alone and as a cluster of three masters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.store_contract import StoreContract
from valkeys import empty_valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TestAlone(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[RedisStore]:
        with empty_valkey() as url:
            store = RedisStore(url)
            yield store
            await store.close()


class TestCluster(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[RedisStore]:
        with empty_valkey(cluster=True) as url:
            store = RedisStore(url)
            yield store
            await store.close()
