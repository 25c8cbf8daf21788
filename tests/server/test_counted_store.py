"""The counted store is a store, all of it, and counts what it was asked for."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as text_format

from counterfoil import SqliteStore
from counterfoil.errors import StoreUnavailable
from counterfoil.ports import Store
from counterfoil.server.operations.counted_store import CountedStore
from counterfoil.server.operations.metrics import Metrics
from counterfoil.stores.memory import MemoryStore
from counterfoil.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

# What asks nothing of the database, and so is no call that is counted.
NO_CALLS = {
    *("aside", "blocking", "close", "default_keys", "hint", "shard", "suspends"),
    *("wait", "waits_aside"),
}


class TestCountedStore(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[CountedStore]:
        store = CountedStore(MemoryStore(), Metrics())
        yield store
        await store.close()


def counts(metrics: Metrics, name: str) -> dict[str, float]:
    """By call."""
    return {
        sample.labels["call"]: sample.value
        for family in text_format(metrics.exposition("").body.decode())
        for sample in family.samples
        if sample.name == name
    }


class Asked:
    """A store that notes how each of its methods was called, and cannot answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        async def asked(*args: Any, **named: Any) -> Any:
            self.calls.append((name, args, named))
            raise StoreUnavailable

        return asked


@pytest.mark.anyio
@pytest.mark.parametrize(
    "name", sorted({each for each in vars(Store) if not each.startswith("_")} - NO_CALLS)
)
async def test_every_method_of_a_store_is_passed_on_and_counted(name: str) -> None:
    """Under its own name, with what it was given; a failure is counted and raised. A method that
    is new in `ports.Store` has to be added here."""
    store, metrics = Asked(), Metrics()
    declared: dict[str, inspect.Parameter] = dict(
        inspect.signature(vars(CountedStore)[name]).parameters
    )
    expected = dict(inspect.signature(vars(Store)[name]).parameters)
    assert declared == expected
    named = {each: object() for each in expected if each != "self"}
    by_name = {
        each: value
        for each, value in named.items()
        if expected[each].kind is inspect.Parameter.KEYWORD_ONLY
    }
    by_place = [value for each, value in named.items() if each not in by_name]
    with pytest.raises(StoreUnavailable):
        await getattr(CountedStore(store, metrics), name)(*by_place, **by_name)
    assert store.calls == [(name, tuple(by_place), by_name)]
    for each in ("counterfoil_store_calls_total", "counterfoil_store_failures_total"):
        assert counts(metrics, each) == {name: 1}
    assert counts(metrics, "counterfoil_store_seconds_count") == {name: 1}


@pytest.mark.anyio
async def test_its_blocking_face_is_counted_too(tmp_path: Path) -> None:
    """And says of itself whether it waits, as the store does."""
    metrics = Metrics()
    store = SqliteStore(tmp_path / "counterfoil.db")
    counted = CountedStore(store, metrics)
    try:
        assert counted.suspends is store.suspends is True
        blocking = counted.blocking()
        assert blocking.suspends is False
        await blocking.look_up("nobody")
        await counted.look_up("nobody")
        assert counts(metrics, "counterfoil_store_calls_total") == {"look_up": 2}
    finally:
        await counted.close()
