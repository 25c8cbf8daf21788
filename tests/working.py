"""A server of several workers, and what its log tells of each."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import live
from cli.terminal import Served, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

AT_ONCE: Final = 24  # connections that nobody has closed yet: whoever is idle takes the next one


class Met(NamedTuple):
    """One answer: over a connection of its own, from whichever worker took it."""

    status: int
    code: str
    request: str
    began: float
    ended: float
    worker: int = 0


class Crew:
    """The workers of one server, which logs at debug."""

    def __init__(self, served: Served, size: int) -> None:
        self.served = served
        self.size = size
        self.port = int(served.url.rpartition(":")[2])
        self.site = live.Site(self.port, served.data, served.demo_password)

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self.served.process.pid

    def lines(self) -> list[dict[str, Any]]:
        whole = self.served.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def pids(self) -> dict[int, int]:
        """Who came to answer last, by number."""
        return {line["worker"]: line["pid"] for line in self.told("worker_answers")}

    def living(self) -> set[int]:
        """The numbers of those that are there."""
        return {number for number, pid in self.pids().items() if is_there(pid)}

    def round(self, path: str, headers: Mapping[str, str] | None = None) -> list[Met]:
        """Asks over many connections at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = list(pool.map(lambda _: _ask(self.port, path, headers or {}), range(AT_ONCE)))
        live.until(lambda: self._answered().keys() >= {met.request for met in asked})
        answered = self._answered()
        return [met._replace(worker=answered[met.request]) for met in asked]

    def ask_all(self, path: str, headers: Mapping[str, str] | None = None) -> dict[int, Met]:
        """What each worker says: asked until all of them were met."""
        met: dict[int, Met] = {}

        def ask() -> bool:
            met.update({each.worker: each for each in self.round(path, headers)})
            return len(met) == self.size

        live.until(ask)
        return met

    def _answered(self) -> dict[str, int]:
        """Who answered a request, by its id."""
        return {line["request_id"]: line["worker"] for line in self.told("request")}


def _ask(port: int, path: str, headers: Mapping[str, str]) -> Met:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=live.PATIENCE)
    began = time.monotonic()
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        body = json.loads(answer.read())
        request = str(answer.getheader("x-request-id"))
    finally:
        connection.close()
    return Met(answer.status, body.get("code", ""), request, began, time.monotonic())


def is_there(pid: int) -> bool:
    """Whether there is such a process, living or dead and not yet waited for."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@contextmanager
def crews(folder: Path) -> Iterator[Callable[..., Crew]]:
    """Starts servers of several workers, which end with the test."""
    running: list[Served] = []

    def begin(size: int, *arguments: str, patch: str = "") -> Crew:
        given = ["--dev", "--workers", str(size), "--log-level", "debug", *arguments]
        running.append(start(folder, *given, patch=patch, own_group=True))
        return Crew(running[-1], size)

    yield begin
    for each in running:
        with suppress(ProcessLookupError):
            os.killpg(each.process.pid, signal.SIGCONT)
            for _ in range(2):
                each.process.send_signal(signal.SIGINT)
        each.stop()
        with suppress(ProcessLookupError):
            os.killpg(each.process.pid, signal.SIGKILL)
