"""Runs a coroutine that never suspends, without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, from one `send(None)`.

    Raises `ConfigurationError` if it does suspend: something in it needs an event loop.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise ConfigurationError("Use Counterfoil here: this store or claims source needs a loop.")
