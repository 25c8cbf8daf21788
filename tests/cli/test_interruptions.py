"""Ctrl-C while something is made that may not be half made."""

from __future__ import annotations

import asyncio
import signal
from asyncio.selector_events import BaseSelectorEventLoop
from typing import TYPE_CHECKING

import pytest

from counterfoil.cli.compare.beside import beside
from counterfoil.cli.interruptions import heard_later, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from selectors import BaseSelector


def test_what_comes_meanwhile_is_heard_afterwards() -> None:
    """By whoever heard it before, and once."""
    done: list[str] = []

    def make() -> None:
        with heard_later():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("made")
        done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        make()
    assert done == ["made"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_nothing_comes_nothing_is_heard() -> None:
    """And whoever heard it before hears it again."""
    before = signal.getsignal(signal.SIGTERM)
    with heard_later():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def begin_comparing(folder: Path) -> None:
    with beside(folder, "http://127.0.0.1:1", ""):
        pass


def begin_anything(_: Path) -> None:
    run(lambda: asyncio.sleep(0))


@pytest.mark.parametrize("begin", [begin_comparing, begin_anything])
def test_an_event_loop_is_made_whole_and_closed_before_it_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Path], None]
) -> None:
    """A loop that was begun complains on standard error when it is thrown away."""
    made: list[BaseSelectorEventLoop] = []
    whole = BaseSelectorEventLoop.__init__

    def init(loop: BaseSelectorEventLoop, selector: BaseSelector | None = None) -> None:
        signal.raise_signal(signal.SIGINT)
        whole(loop, selector)
        made.append(loop)

    monkeypatch.setattr(BaseSelectorEventLoop, "__init__", init)
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path)
    assert [loop.is_closed() for loop in made] == [True]
