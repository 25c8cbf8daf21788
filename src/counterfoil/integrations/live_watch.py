"""Notices when what live connections rest on has ended: one watch for all of a loop's.

No connection has a task or a timer of its own. One sweep asks about all of them, in memory: once a
second, whenever the mirror has moved, and when what is known is about to be too old. Records alone
are read, a few at a time, beside the sweep, which waits for nobody: first those that the news of
the trail are about.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from contextlib import suppress
from contextvars import Context
from itertools import islice
from typing import TYPE_CHECKING, Final

from counterfoil.errors import CounterfoilError, StatusStale, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from counterfoil.credential import Verified
    from counterfoil.holding import Held, Holding, Moment

    End = Callable[[CounterfoilError], object]

EVERY: Final = 1.0
READ_WITHIN: Final = 5.0  # seconds for one record, which is then tried again
_JUST_AFTER: Final = 0.002  # tokens expire at whole seconds, and a timer may come early
_SHORTEST: Final = 0.01
_SLICE: Final = 256  # asked about before others have their turn
_AT_ONCE: Final = 16  # records that are read together
_TURN: Final = 0.005  # seconds of reading before others have their turn
_REST: Final = 4  # times as long as a sweep took: sweeps take a fifth of the loop at most

_log = logging.getLogger("counterfoil.live")


def follow(holding: Holding, verified: Verified, end: End) -> Callable[[], None]:
    """Calls `end` once, in the running loop and not before this has returned, with the error that
    ends what was verified. Returns what leaves off following; to repeat that does nothing.

    Raises `ConfigurationError` for what cannot be followed.
    """
    live = _Live(holding.hold(verified), end)
    watch = _watch_of(holding)
    watch.add(live)
    return lambda: watch.remove(live)


class _Live:
    """One connection: all that it rests on, and what is called once when that ends."""

    __slots__ = ("end", "held", "subjects")

    def __init__(self, held: Sequence[Held], end: End) -> None:
        self.held = held
        self.subjects = {each.subject for each in held if each.subject is not None}
        self.end = end


class Watch:
    """All live connections that one loop has for one engine or verifier; there while there are
    any."""

    def __init__(self, holding: Holding, loop: asyncio.AbstractEventLoop) -> None:
        self._holding = holding
        self._loop = loop
        self._pid = os.getpid()
        self._lives: dict[_Live, None] = {}
        self._of_subject: dict[str, dict[_Live, None]] = {}  # those that rest on records
        self._due: dict[_Live, None] = {}
        self._has_news = True
        self._line: int | None = None  # of the trail, up to which the news are known
        self._until = math.inf  # the uptime up to which enough is known for all of them
        self._is_moved = False
        self._woken = asyncio.Event()
        self._unlisten = holding.listen(self._moved)
        # In no request's context: whatever that holds would live as long as the watch.
        self._sweeping = loop.create_task(self._sweep_on(), context=Context())
        self._reading: asyncio.Task[None] | None = None

    def add(self, live: _Live) -> None:
        """Asks at once: its check may have been a while ago."""
        self._lives[live] = None
        for subject in live.subjects:
            self._of_subject.setdefault(subject, {})[live] = None
        try:
            until = self._ask(live, self._holding.moment())
        except BaseException:
            self.remove(live)
            raise
        if until < self._until:
            self._woken.set()

    def remove(self, live: _Live) -> None:
        self._due.pop(live, None)
        if live not in self._lives:
            return
        del self._lives[live]
        for subject in live.subjects:
            others = self._of_subject[subject]
            del others[live]
            if not others:
                del self._of_subject[subject]
        if not self._lives:
            self.stop()

    def stop(self) -> None:
        """Leaves nothing behind; to repeat it does nothing."""
        if _watches.pop((self._loop, self._holding), None) is None:
            return
        self._unlisten()
        if not self._loop.is_closed():
            self._sweeping.cancel()
            if self._reading is not None:
                self._reading.cancel()

    def _moved(self) -> None:
        """From any thread. A process that was forked off has this loop, but does not run it."""
        if self._is_moved or self._pid != os.getpid():
            return
        self._is_moved = True
        with suppress(RuntimeError):  # the loop was closed over its connections
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _sweep_on(self) -> None:
        try:
            while True:
                self._woken.clear()
                if self._is_moved and self._of_subject:
                    self._has_news = True
                    self._read_soon()
                self._is_moved = False
                rest = await self._sweep() * _REST
                await asyncio.sleep(min(rest, self._pause()))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._woken.wait()
        except Exception:  # noqa: BLE001 - nobody would be asked about any more, and all would pass
            _log.exception("live connections cannot be followed, and are ended")
            for live in tuple(self._lives):
                self._end(live, StatusStale())
        finally:
            self.stop()  # also where the loop ends before its connections

    async def _sweep(self) -> float:
        """Asks about every connection. Returns the seconds that it took."""
        self._until = math.inf
        lives, spent = iter(tuple(self._lives)), 0.0
        while some := [*islice(lives, _SLICE)]:
            began = time.perf_counter()
            moment = self._holding.moment()
            for live in some:
                if live in self._lives:
                    self._until = min(self._until, self._ask(live, moment))
            spent += time.perf_counter() - began
            await asyncio.sleep(0)
        return spent

    def _ask(self, live: _Live, moment: Moment) -> float:
        """Ends it if it has to be; else the uptime up to which enough is known."""
        until = math.inf
        try:
            for held in live.held:
                until = min(until, held.require(moment))
                if held.is_due:
                    self._due[live] = None
                    self._read_soon()
        except CounterfoilError as why:
            self._end(live, why)
            return math.inf
        return until

    def _end(self, live: _Live, why: CounterfoilError) -> None:
        if live in self._lives:
            # Its frames lead to all connections.
            self._loop.call_soon(live.end, why.with_traceback(None), context=Context())
            self.remove(live)

    def _pause(self) -> float:
        """Seconds until the next sweep: just after the next second, as that is when tokens expire,
        or when what is known gets too old."""
        moment = self._holding.moment()
        to_second = EVERY - moment.now.microsecond / 1e6 % EVERY + _JUST_AFTER
        return max(_SHORTEST, min(to_second, self._until - moment.uptime))

    def _read_soon(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = self._loop.create_task(self._read_on(), context=Context())

    async def _read_on(self) -> None:
        """Reads the records that are due; half of the time is left to others."""
        while self._has_news or self._due:
            if self._has_news:
                await self._hear()
            began = self._loop.time()
            await asyncio.gather(*(self._read_some(began) for _ in range(_AT_ONCE)))
            await asyncio.sleep(self._loop.time() - began)

    async def _hear(self) -> None:
        """Has those read first that the news are about; all, where these do not say."""
        self._has_news = False
        subjects: Iterable[str] = self._of_subject
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(READ_WITHIN):
                news = await self._holding.news(self._line)
            self._line = news.line
            subjects = news.subjects if news.subjects is not None else self._of_subject
        first = {live: None for each in subjects for live in self._of_subject.get(each, ())}
        self._due = {**first, **self._due}

    async def _read_some(self, began: float) -> None:
        while self._due:
            live = next(iter(self._due))
            del self._due[live]
            await self._read(live)
            if self._loop.time() - began > _TURN:  # others may have taken all of it
                return

    async def _read(self, live: _Live) -> None:
        try:
            async with asyncio.timeout(READ_WITHIN):
                for held in live.held:
                    await held.read()
        except (Unavailable, TimeoutError):
            return  # sweeps go on asking for it, until too little is known
        except CounterfoilError as why:
            self._end(live, why)
        except Exception:  # noqa: BLE001 - it stays unknown, and too little is known of it soon
            _log.exception("the record of a live connection cannot be read")


_watches: dict[tuple[asyncio.AbstractEventLoop, Holding], Watch] = {}


def _watch_of(holding: Holding) -> Watch:
    loop = asyncio.get_running_loop()
    watch = _watches.get((loop, holding))
    if watch is None:
        for left in [each for key, each in _watches.items() if key[0].is_closed()]:
            left.stop()
        watch = _watches[loop, holding] = Watch(holding, loop)
    return watch
