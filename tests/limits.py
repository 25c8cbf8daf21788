"""What a machine gives no more of."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_start = threading.Thread.start


def _refused(thread: threading.Thread) -> None:
    if thread.name.startswith("counterfoil"):
        raise RuntimeError("can't start new thread")
    _start(thread)


@contextmanager
def no_more_threads() -> Iterator[None]:
    """Of ours; what the tests themselves start goes on."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", _refused)
        yield
