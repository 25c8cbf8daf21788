"""For your tests: somebody signed in, a clock that stands still, and the suites that every plug
must pass.

The suites need pytest and anyio, and are imported from `counterfoil.testing.store_contract`; the
names here are loaded on first use and need neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterfoil.testing.client import asigned_in, signed_in
    from counterfoil.testing.clock import FrozenClock
    from counterfoil.testing.result import verified

_HOMES = {
    "FrozenClock": "clock",
    "asigned_in": "client",
    "signed_in": "client",
    "verified": "result",
}

__all__ = ["FrozenClock", "asigned_in", "signed_in", "verified"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'counterfoil.testing' has no attribute {name!r}")
    value = getattr(import_module(f"counterfoil.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
