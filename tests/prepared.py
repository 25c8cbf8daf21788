"""Programs that need not be imported first: each is forked from a process that has done so."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from subprocess import TimeoutExpired
from typing import IO, TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext

NOTHING: Final = Path(os.devnull)
SEARCHED: Final = "PYTHONPATH"


@cache
def _processes() -> ForkServerContext:
    """With the process from which all are forked, begun."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["preloaded"])
    former = os.environ.get(SEARCHED)
    os.environ[SEARCHED] = str(Path(__file__).parent)  # it is not told where we look for modules
    try:
        forkserver.ensure_running()
    finally:
        del os.environ[SEARCHED]
        if former is not None:
            os.environ[SEARCHED] = former
    return processes


@dataclass(frozen=True)
class Surroundings:
    """What a process finds."""

    folder: Path
    environment: Mapping[str, str]
    stdin: Path
    stdout: Path | Connection
    stderr: Path
    own_group: bool = False

    def enter(self) -> None:
        """In the process: nothing else is left of the one that it was forked from."""
        if self.own_group:
            os.setsid()
        for number, stream in enumerate((self.stdin, self.stdout, self.stderr)):
            if isinstance(stream, Path):
                os.dup2(os.open(stream, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
            else:
                os.dup2(stream.fileno(), number)
                stream.close()
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - a number, for as long as the process is
            for number, mode in enumerate("rww")
        )
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)


class Running:
    """A process, used as one of `subprocess` is."""

    def __init__(self, main: Callable[..., None], *given: Any, into: Surroundings) -> None:
        self._process = _processes().Process(target=_run, args=(into, main, given), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.stdout: IO[str] | None = None

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired(str(self.pid), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.stdout is not None:
            self.stdout.close()
        self.wait()


def start(
    main: Callable[..., None],
    *given: Any,
    folder: Path,
    environment: Mapping[str, str],
    stderr: Path,
    own_group: bool = False,
) -> Running:
    """Has a process call this function; what it prints can be read while it runs."""
    ours, its = _processes().Pipe(duplex=False)
    with ours, its:
        into = Surroundings(folder, environment, NOTHING, its, stderr, own_group=own_group)
        running = Running(main, *given, into=into)
        running.stdout = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")
    return running


def _run(into: Surroundings, main: Callable[..., None], given: tuple[Any, ...]) -> None:
    into.enter()
    main(*given)
