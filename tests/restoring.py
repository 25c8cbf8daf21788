"""A store in memory that is put back to what it was, as a database is from a copy."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil import MemoryStore

_NO_RECORDS = {"_keys", "_lock", "_stirred", "_written", "suspends"}


def copied(store: MemoryStore) -> Callable[[], None]:
    """Copies all records. Returns what puts them back, which anybody who looks can see happened."""
    names = [each.name for each in fields(store) if each.name not in _NO_RECORDS]
    kept = {name: copy.copy(getattr(store, name)) for name in names}

    def put_back() -> None:
        for name, value in kept.items():
            setattr(store, name, copy.copy(value))
        store._written += 1  # noqa: SLF001 - as a file that was written

    return put_back
