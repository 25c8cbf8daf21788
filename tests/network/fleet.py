"""Verifiers in processes of their own, and what they have found so far."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import live
from network import checking
from network.checking import Spec, log_of, tokens_of, uptime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROGRAM: Final = (sys.executable, checking.__file__)


class Check(NamedTuple):
    """One check. began: uptime, just before it."""

    began: float
    token: str
    said: str


@dataclass(slots=True)
class Log:
    """What one process writes, as far as it has been read."""

    path: Path
    checks: list[Check] = field(default_factory=list)
    pid: int = 0
    _read: int = 0

    def read_on(self) -> list[Check]:
        """What is new."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        lines = new.decode("ascii").splitlines()
        if lines and not self.pid:
            self.pid = int(lines.pop(0))
        split = (line.split() for line in lines)
        found = [Check(float(began), token, said) for began, token, said in split]
        self.checks += found
        return found


@dataclass(slots=True)
class Checker:
    """A verifier, in one process or several."""

    name: str
    spec: Spec
    logs: list[Log]
    tokens: set[str] = field(default_factory=set)

    def watch(self, devices: Mapping[str, live.Device]) -> None:
        """Has their tokens checked from now on, under these names."""
        with tokens_of(self.spec.log).open("a", encoding="ascii") as file:
            file.write("".join(f"{name} {each.token}\n" for name, each in devices.items()))
        self.tokens |= devices.keys()

    def read(self) -> list[Log]:
        for log in self.logs:
            log.read_on()
        return self.logs

    def wait(
        self, said: str, *tokens: str, since: float | None = None, within: float = live.PATIENCE
    ) -> float:
        """Waits until every process answers so to each of the tokens, in a check that began after
        `since`, by default now; returns when the last of these checks began."""
        since = uptime() if since is None else since
        open_: set[tuple[int, str]] = {
            (number, token) for number in range(len(self.logs)) for token in tokens or self.tokens
        }
        began = [since]

        def has_come() -> bool:
            for number, log in enumerate(self.logs):
                for check in log.read_on():
                    key = (number, check.token)
                    if key in open_ and check.said == said and check.began >= since:
                        open_.discard(key)
                        began.append(check.began)
            return not open_

        try:
            live.until(has_come, patience=within)
        except AssertionError:
            raise AssertionError(f"{self.name}: not {said}: {open_} {self.tell()}") from None
        return max(began)

    def checks_of(self, *tokens: str) -> list[Check]:
        """All of them so far, in each process's order."""
        return [check for log in self.read() for check in log.checks if check.token in tokens]

    def tell(self) -> list[list[Check]]:
        """The last of what it said, for a person."""
        return [log.checks[-8:] for log in self.read()]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Its processes stand still."""
        self.read()
        with paused(*(log.pid for log in self.logs)):
            yield


@contextmanager
def paused(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@dataclass(slots=True)
class Fleet:
    """Where verifiers are started."""

    folder: Path
    _asks: IO[str]
    checkers: list[Checker] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def start(self, name: str, issuer: str, **spec: Any) -> Checker:
        log = str(self.folder / f"{next(self._numbers)}-{name}")
        tokens_of(log).touch()
        described = Spec(log=log, issuer=issuer, **spec)
        self._asks.write(described.line())
        self._asks.flush()
        logs = [Log(log_of(log, worker)) for worker in range(described.workers)]
        self.checkers.append(Checker(name, described, logs))
        return self.checkers[-1]

    def end(self, *checkers: Checker) -> None:
        """Ends these, or all."""
        for checker in checkers or tuple(self.checkers):
            self.checkers.remove(checker)
            for log in checker.read():
                if log.pid:
                    with suppress(ProcessLookupError):
                        os.kill(log.pid, signal.SIGKILL)


@contextmanager
def fleet(folder: Path, **environment: str) -> Iterator[Fleet]:
    """Verifiers can be started; they end with it."""
    folder.mkdir()
    path = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": path, **environment}
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            PROGRAM, stdin=subprocess.PIPE, stderr=errors, env=env, text=True
        ) as zygote,
    ):
        assert zygote.stdin is not None
        made = Fleet(folder, zygote.stdin)
        try:
            yield made
        finally:
            made.end()
            zygote.kill()
