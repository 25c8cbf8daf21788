"""Ctrl-C and its like, heard only where nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BY_SIGNAL: Final = 128  # what shells add to a signal's number


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """`asyncio.run`, on a loop that was made whole."""
    with running() as runner:
        return runner.run(main())


@contextmanager
def running() -> Iterator[asyncio.Runner]:
    """Runs coroutines on a loop of its own. Interrupted in its constructor, a half-made one would
    complain on the way out."""
    with ExitStack() as kept:
        with heard_later():
            runner = kept.enter_context(asyncio.Runner())  # which makes its loop here
        yield runner


@contextmanager
def heard_later() -> Iterator[None]:
    """What is to end the program is heard when the block is left: for what may not be half made,
    such as an event loop. In another thread nothing is heard in any case."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    former = {each: signal.getsignal(each) for each in ENDING}
    former = {each: how for each, how in former.items() if how is not signal.SIG_IGN}
    for each in former:
        signal.signal(each, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        for each, how in former.items():
            signal.signal(each, how)
    for number in heard[:1]:
        signal.raise_signal(number)


class Interruptions:
    """The first signal that is heard ends the program; the ones after it change nothing, so that
    tidying up is not cut short. What was ignored before (`nohup`) stays ignored."""

    def __init__(self) -> None:
        self._is_deaf = False
        self._waiting: int | None = None
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for each in ENDING:
            former = signal.getsignal(each)
            if former is not signal.SIG_IGN:
                self._former[each] = former
                signal.signal(each, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for each, former in self._former.items():
            signal.signal(each, former)

    def ignore(self) -> None:
        """From now on."""
        self._is_deaf = True

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """What comes meanwhile is heard afterwards."""
        self._is_deaf = True
        try:
            yield
        finally:
            self._is_deaf = False
        if self._waiting is not None:
            self._end(self._waiting)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self._is_deaf:
            self._waiting = number
        else:
            self._end(number)

    def _end(self, number: int) -> None:
        self._is_deaf = True
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(BY_SIGNAL + number)
