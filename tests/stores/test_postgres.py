from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.store_contract import StoreContract
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FORKS: Final = """
import os, sys
from counterfoil.drive import drive
from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.records import a_session, opened

store = PostgresStore(sys.argv[1]).blocking()
drive(opened(store, a_session("before")))
children = []
for child in range(6):
    if not (pid := os.fork()):
        code = 1
        try:
            assert drive(store.look_up("before"))
            drive(opened(store, a_session(f"child-{child}", subject=f"child-{child}")))
            if child % 2:
                drive(store.close())
            code = 0
        finally:
            os._exit(code)
    drive(opened(store, a_session(f"parent-{child}", subject="parent")))
    children.append(pid)
print([os.waitpid(pid, 0)[1] for pid in children])
names = [f"{who}-{number}" for who in ("child", "parent") for number in range(6)]
print(all(drive(store.look_up(name)) for name in names))
drive(store.close())
"""


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
        done = subprocess.run(
            [sys.executable, "-c", FORKS, url], capture_output=True, text=True, check=False
        )
    assert done.stdout == "[0, 0, 0, 0, 0, 0]\nTrue\n", done.stderr
