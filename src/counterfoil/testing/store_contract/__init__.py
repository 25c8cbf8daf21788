"""What every store must do, as a suite that a store's author runs: subclass it, give it a store.

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def store(self, tmp_path):
            store = MyStore(tmp_path / "sessions")
            yield store
            await store.close()

The fixture gives a new, empty store to each test. Each test says in one sentence what it holds a
store to; `counterfoil.ports.Store` is the text that it is taken from. It needs pytest and anyio.
`pytest.register_assert_rewrite("counterfoil.testing.store_contract")` in a conftest.py, before the
import, makes failures tell what was compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.testing.store_contract.committing import Committing
from counterfoil.testing.store_contract.engine_racing import EngineRaces
from counterfoil.testing.store_contract.epochs import Beginning
from counterfoil.testing.store_contract.hinting import Hinting
from counterfoil.testing.store_contract.listing import Listing
from counterfoil.testing.store_contract.racing import Racing
from counterfoil.testing.store_contract.reading import Reading
from counterfoil.testing.store_contract.status import Feeding, Reserving, Sweeping
from counterfoil.testing.store_contract.trailing import Trailing

if TYPE_CHECKING:
    from counterfoil.ports import Store

__all__ = ["EngineRaces", "StoreContract"]


@pytest.mark.anyio
class StoreContract(
    Reading,
    Listing,
    Committing,
    Trailing,
    Hinting,
    Reserving,
    Feeding,
    Sweeping,
    Beginning,
    Racing,
    EngineRaces,
):
    """The suite. A subclass has the fixture `store`."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def store(self) -> Store:
        """A new, empty store."""
        pytest.fail("Give your subclass of StoreContract a fixture named store.")
