"""The process above several workers: binds the sockets, starts the workers, starts again those that
end, and stops them all. It answers no request.

Workers are forked, not spawned. They share what was loaded once, in memory and in version: one that
is started after an upgrade on the disk is no other program than its neighbours. What may not be
forked is never here: no thread, no event loop, no connection to the database. All accept from the
same sockets, so that connections that wait for a worker which is busy, or dies, are taken by
another; with a socket for each (SO_REUSEPORT) they would be lost with it.
"""

from __future__ import annotations

import gc
import logging
import math
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client.multiprocess import mark_process_dead

from counterfoil import errors
from counterfoil.server import devices
from counterfoil.server.operations import logs
from counterfoil.server.serving import FINISH_WITHIN, Ready, listen, take_files
from counterfoil.server.settings import Settings
from counterfoil.server.workers.child import Child
from counterfoil.server.workers.counts import counts_folder
from counterfoil.server.workers.signal_queue import SignalQueue
from counterfoil.server.workers.worker import AT_ONCE, Post, work

STEADY: Final = 10.0  # seconds; a worker that ends sooner may do so again
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
RETRY_FORK: Final = 2.0
AT_ONCE_WITHIN: Final = 5.0
SLACK: Final = 10.0  # beyond the time that stopping in order may take
_GAVE_UP: Final = "See what is said above: a worker ended before it answered ({})."
_log = logging.getLogger("counterfoil.server")


class NoWorkerError(Exception):
    """No worker came to answer; the text is a sentence."""


def supervise(settings: Settings, *, ready: Callable[[Ready], None]) -> None:
    """Serves with several workers until SIGTERM or SIGINT; `ready` is called once all of them
    answer. Raises `NoWorkerError`, and what a worker was refused as one process alone would."""
    logs.configure(settings.log_level)
    take_files()
    sockets = listen(settings.host, settings.port)
    settings = settings.model_copy(update={"port": sockets[0].getsockname()[1]})
    devices.warm_up()
    gc.collect()
    gc.freeze()  # what the collector does not touch stays shared
    with counts_folder() as counts, SignalQueue() as signals:
        Supervisor(settings, sockets, counts, signals, ready).run()


@dataclass(slots=True)
class Place:
    """The place of one worker, whoever holds it. start_at: when somebody should, if nobody does."""

    number: int
    start_at: float = math.inf
    child: Child | None = None
    began: float = 0.0
    answers: bool = False
    refused: errors.CounterfoilError | None = None
    short_lives: int = 0


class Supervisor:
    """The workers of one server."""

    def __init__(
        self,
        settings: Settings,
        sockets: list[socket.socket],
        counts: Path,
        signals: SignalQueue,
        ready: Callable[[Ready], None],
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._counts = counts
        self._signals = signals
        self._ready = ready
        self._places = [Place(number + 1) for number in range(settings.workers)]
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)
        self._found: Ready | None = None  # what there is to tell, once the first one answers
        self._is_complete = False  # all have answered at the same time
        self._is_stopping = False
        self._kill_at = math.inf
        self._failure: Exception | None = None

    def run(self) -> None:
        """Returns when all workers have ended."""
        self._places[0].start_at = 0.0  # alone: it makes what the others find
        try:
            while not self._is_stopping or any(place.child for place in self._places):
                self._start_who_is_due()
                self._selector.select(self._patience())
                for sig in self._signals.read():
                    self._signalled(sig)
                for place in self._places:
                    if place.child is not None:
                        self._look_after(place, place.child)
                if time.monotonic() >= self._kill_at:
                    self._kill()
        finally:
            self._kill()
            for place in self._places:
                if place.child is not None:
                    place.child.wait()
            self._selector.close()
        if self._failure is not None:
            raise self._failure

    def _patience(self) -> float | None:
        """Seconds until there is something to do."""
        vacant = [] if self._is_stopping else [each for each in self._places if not each.child]
        first = min([self._kill_at, *(place.start_at for place in vacant)])
        return None if math.isinf(first) else max(0.0, first - time.monotonic())

    def _start_who_is_due(self) -> None:
        for place in self._places:
            is_due = place.child is None and time.monotonic() >= place.start_at
            if is_due and not self._is_stopping:
                self._start(place)

    def _start(self, place: Place) -> None:
        def main(link: socket.socket) -> int:
            self._selector.close()
            for other in self._places:
                if other.child is not None:
                    other.child.link.close()  # or that one would not see the supervisor go
            self._signals.leave()
            return work(
                Post(
                    number=place.number,
                    settings=self._settings,
                    sockets=self._sockets,
                    link=link,
                    counts=self._counts,
                    prepares=self._found is None,
                )
            )

        try:
            with self._signals.held():
                place.child = Child(main)
        except OSError as why:  # no more processes or files, for now
            if not self._is_complete:
                raise
            _log.error("worker_not_started", extra=_line(place, detail=str(why.strerror)))
            place.start_at = time.monotonic() + RETRY_FORK
            return
        place.began, place.answers, place.refused = time.monotonic(), False, None
        self._selector.register(place.child.link, selectors.EVENT_READ)

    def _look_after(self, place: Place, child: Child) -> None:
        ended = child.ended()
        for said in child.hear():
            if "refused" in said:
                place.refused = getattr(errors, said["refused"])(said["detail"])
            else:
                self._answers(place, child, said)
        if ended is not None:
            self._ended(place, child, ended)

    def _answers(self, place: Place, child: Child, said: dict[str, Any]) -> None:
        place.answers = True
        level = logging.INFO if self._is_complete else logging.DEBUG  # at first, `ready` tells
        _log.log(level, "worker_answers", extra=_line(place, pid=child.pid))
        if self._found is None:
            self._found = Ready(said["url"], self._settings, said["demo_password"])
            for other in self._places[1:]:
                other.start_at = 0.0
        if all(each.answers for each in self._places) and not self._is_complete:
            self._is_complete = True
            if not self._is_stopping:
                self._ready(self._found)

    def _ended(self, place: Place, child: Child, code: int) -> None:
        self._selector.unregister(child.link)
        child.link.close()
        answered, place.answers, place.child = place.answers, False, None
        mark_process_dead(place.number, str(self._counts))  # type: ignore[no-untyped-call] # theirs
        if self._is_stopping:
            return
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        others_answer = self._is_complete and any(each.answers for each in self._places)
        if not (answered or others_answer):
            self._failure = place.refused or NoWorkerError(_GAVE_UP.format(how))
            self._stop(signal.SIGINT)
            return
        detail = place.refused.detail if place.refused else how
        level = logging.ERROR if code else logging.INFO
        _log.log(level, "worker_ended", extra=_line(place, pid=child.pid, detail=detail))
        is_steady = answered and time.monotonic() - place.began >= STEADY
        place.short_lives = 0 if is_steady else place.short_lives + 1
        place.start_at = time.monotonic() + pause(place.short_lives)

    def _signalled(self, sig: int) -> None:
        if sig == signal.SIGHUP:
            self._tell(sig)
        elif sig != signal.SIGCHLD:
            self._stop(sig)

    def _stop(self, sig: int) -> None:
        now = time.monotonic()
        if self._is_stopping:
            self._tell(AT_ONCE)
            self._kill_at = min(self._kill_at, now + AT_ONCE_WITHIN)
            return
        self._is_stopping = True
        for listening in self._sockets:
            listening.close()  # or who comes would wait here when the workers accept no more
        self._tell(sig)
        drain = self._settings.drain.total_seconds() if sig == signal.SIGTERM else 0.0
        self._kill_at = now + drain + FINISH_WITHIN + SLACK
        for place in self._places:
            if place.child is not None and not place.answers:
                place.child.kill(signal.SIGTERM)  # it may not listen yet

    def _tell(self, sig: int) -> None:
        for place in self._places:
            if place.child is not None:
                place.child.tell(sig)

    def _kill(self) -> None:
        """What is left is not waited for."""
        self._kill_at = math.inf
        for place in self._places:
            if place.child is not None:
                _log.error("worker_killed", extra=_line(place, pid=place.child.pid))
                place.child.kill(signal.SIGKILL)


def pause(short_lives: int) -> float:
    """Seconds before a place is filled again, after so many in a row who did not stay."""
    if short_lives <= 1:
        return 0.0
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (short_lives - 2))


def _line(place: Place, **more: object) -> dict[str, Any]:
    return {"members": {"worker": place.number, **more}}
