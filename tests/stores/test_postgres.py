from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.store_contract import StoreContract
from forking import GOOD, said_after_forks
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


def test_a_store_that_was_used_before_a_fork_is_good_on_both_sides() -> None:
    """Preforking servers build it in the parent. Neither side's connections are the other's, and a
    child that closes its own closes no other."""
    with new_schema() as url:
        assert said_after_forks("PostgresStore", url) == GOOD
