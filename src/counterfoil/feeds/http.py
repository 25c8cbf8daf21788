"""Carries a verifier's requests to its issuer: one thread for each issuer that is followed.

The thread is started at first use, and again after a fork; it ends when its verifier is closed or
gone. While a poll is out it goes on fetching keys as they are due.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import weakref
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from counterfoil.errors import Overloaded, Unavailable
from counterfoil.feeds.fetch import Line
from counterfoil.threads import begun

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.feeds.following import Following, Get

THREAD: Final = "counterfoil-verifier"
_LONGEST_SLEEP: Final = 1.0  # seconds; so that nobody's thread outlives its verifier for long
_AGAIN: Final = timedelta(seconds=1)
_log = logging.getLogger("counterfoil.verifier")


class Carrier:
    """The thread of one verifier. authorization: of the client that it authenticates as."""

    def __init__(
        self, following: Following, *, timeout: timedelta, authorization: str | None = None
    ) -> None:
        self.following = following
        self._timeout = timeout
        self._authorization = authorization
        self._pid = 0
        self._begin_anew()
        this = weakref.ref(self)
        following.keys.wake = lambda: carrier.wake() if (carrier := this()) is not None else None
        _carriers.add(self)

    def _begin_anew(self) -> None:
        self._changed = threading.Condition()
        self._bell: _Bell | None = None
        self._generation = object()  # what a thread that was told to end finds replaced

    def ensure(self) -> None:
        """Has the issuer followed from now on, in this process. Raises `Overloaded` where that may
        have no more threads or files."""
        if self._pid == os.getpid():
            return
        with self._changed:
            if self._pid == os.getpid():
                return
            self._generation = generation = object()
            self._bell = _begin_to_follow(weakref.ref(self), generation)
            self._pid = os.getpid()

    def forked(self) -> None:
        """Makes it this process's own. What the parent held is the parent's: nobody here lets go of
        its locks, and its thread did not come along."""
        self._pid = 0
        self._begin_anew()
        self.following.forked()

    def wake(self) -> None:
        """Something is due before its time."""
        if self._pid == os.getpid() and self._bell is not None:
            self._bell.ring()

    def wait_for(self, holds: Callable[[], bool], *, timeout: timedelta) -> bool:
        """Whether it came to hold in time."""
        self.ensure()
        with self._changed:
            return self._changed.wait_for(holds, timeout.total_seconds())

    def stop(self) -> None:
        """Follows no more; what is known ages."""
        self._pid = 0
        self._generation = object()
        if self._bell is not None:
            self._bell.ring()

    def is_current(self, generation: object) -> bool:
        return self._generation is generation

    def begin_keys(self) -> Line | None:
        """Asks for the keys, on a line of its own; None where nobody answers."""
        keys = self.following.keys
        url = keys.begin()
        line = Line(url)
        try:
            line.send(url, within=self._timeout.total_seconds(), is_last=True)
        except Unavailable as why:
            keys.failed(why)
            self.tell()
            return None
        return line

    def end_keys(self, line: Line) -> None:
        """Takes the keys that came."""
        keys = self.following.keys
        try:
            answer = line.receive()
        except Unavailable as why:
            keys.failed(why)
        else:
            keys.answered(answer.status, answer.body)
        line.close()
        self.tell()

    def begin(self, line: Line) -> Get | None:
        """Sends what is due; None where nothing is out."""
        asked = self.following.ask()
        if asked is None:
            return None
        try:
            line.send(
                asked.url,
                within=asked.within,
                accept=asked.accept,
                authorization=self._authorization if asked.question else None,
            )
        except Unavailable as why:
            self.following.failed(asked, why)
            self.tell()
            return None
        return asked

    def end(self, line: Line, asked: Get) -> None:
        """Takes what came."""
        try:
            answer = line.receive(limit=asked.limit)
        except Unavailable as why:
            self.following.failed(asked, why)
        else:
            self.following.took(asked, answer.status, answer.body)
            if self.following.is_failing:
                # Somebody on the way may have said something twice, and what comes next on this
                # line would be taken for the answer to the next question, for ever.
                line.close()
        self.tell()

    def tell(self) -> None:
        with self._changed:
            self._changed.notify_all()


_carriers: Final[weakref.WeakSet[Carrier]] = weakref.WeakSet()


def _forked() -> None:
    for carrier in tuple(_carriers):
        carrier.forked()


# In the child while it has one thread yet: later, two that come at once would both do it.
os.register_at_fork(after_in_child=_forked)


def _begin_to_follow(carrier_of: weakref.ref[Carrier], generation: object) -> _Bell:
    """Begins the thread; what wakes it."""
    try:
        bell = _Bell()
    except OSError as why:
        told = "This process gets no more files; its limit may have to be raised."
        raise Overloaded(told, retry_after=_AGAIN) from why
    try:
        begun(partial(_run, carrier_of, generation, bell), name=THREAD)
    except Overloaded:
        bell.close()
        raise
    return bell


def _run(carrier_of: weakref.ref[Carrier], generation: object, bell: _Bell) -> None:
    """Holds its carrier only while it works for it."""
    line = _Kept()
    try:
        while (carrier := carrier_of()) is not None and carrier.is_current(generation):
            try:
                pause = line.step(carrier, bell)
            except Exception:  # noqa: BLE001 - whatever it is, somebody waits for what this brings
                # A dead thread would refuse everybody for ever; what it knows ages meanwhile.
                _log.exception("following the issuer failed")
                line.close()
                pause = _LONGEST_SLEEP
            del carrier
            if pause > 0:
                bell.wait(pause, line.awaited())
    finally:
        bell.close()
        line.close()


class _Kept:
    """The lines of one thread, and what is out on them."""

    def __init__(self) -> None:
        self._line: Line | None = None
        self._asked: Get | None = None
        self._for_keys: Line | None = None

    def step(self, carrier: Carrier, bell: _Bell) -> float:
        """Does what is due; seconds until something is, or an answer begins."""
        following = carrier.following
        if self._for_keys is None and following.keys.due_in() <= 0:
            self._for_keys = carrier.begin_keys()
        if self._for_keys is not None and bell.sees(self._for_keys):
            carrier.end_keys(self._for_keys)
            self._for_keys = None
        line = self._line = self._line or Line(following.issuer)
        if self._asked is not None and bell.sees(line):
            carrier.end(line, self._asked)
            self._asked = None
        if self._asked is None and following.due_in() <= 0:
            self._asked = carrier.begin(line)
        until = line.left if self._asked is not None else following.due_in()
        keys_until = following.keys.due_in() if self._for_keys is None else self._for_keys.left
        return min(until, keys_until, _LONGEST_SLEEP)

    def awaited(self) -> list[Line]:
        """The lines on which an answer is awaited."""
        lines = (self._line if self._asked is not None else None, self._for_keys)
        return [line for line in lines if line is not None and line.fileno() >= 0]

    def close(self) -> None:
        for line in (self._line, self._for_keys):
            if line is not None:
                line.close()
        self._asked = self._for_keys = None


class _Bell:
    """What the thread sleeps on: it wakes for a ring, and for an answer that begins."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._is_closed = False

    def ring(self) -> None:
        with self._lock:
            if not self._is_closed:
                with suppress(BlockingIOError):  # it has been rung often enough
                    os.write(self._write, b".")

    def wait(self, seconds: float, lines: list[Line]) -> None:
        asked = select.poll()
        asked.register(self._read, select.POLLIN)
        for line in lines:
            asked.register(line, select.POLLIN)
        for found, _ in asked.poll(max(1.0, seconds * 1000)):
            if found == self._read:
                os.read(self._read, 4096)

    def sees(self, line: Line) -> bool:
        """Whether the answer has begun, the line has ended, or the time for it is over."""
        if line.fileno() < 0 or line.left <= 0:
            return True
        asked = select.poll()
        asked.register(line, select.POLLIN)
        return bool(asked.poll(0)) and line.has_begun()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            os.close(self._read)
            os.close(self._write)
