"""A program whose processes check tokens in a loop, each with a Verifier of its own, and write down
every check: when it began, by the clock that all processes of a machine share, and its answer.

It loads the library once. Each line that it reads describes a verifier and has one forked; all of
them end with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from counterfoil import Verifier
from counterfoil.clock import SystemClock
from counterfoil.errors import CounterfoilError
from counterfoil.status_mirror import StatusMirror

CLONE_NEWNET: Final = 0x40000000
PASSED: Final = "passed"
ROUND: Final = "-"  # in the place of a token: a round has begun
uptime: Final = SystemClock().uptime


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One verifier. log: where its checks are written, and beside it what is to be checked is read.

    port: where connections to the issuer go instead, over loopback. namespace: a file of the
    network namespace that it lives in. authorities: whom it trusts for TLS. settings: of the
    Verifier, in seconds. workers: processes; they fork after the Verifier was made and knows, where
    it is `shared`, and else before. careless: it never finds its knowledge too old. pause: between
    two rounds.
    """

    log: str
    issuer: str
    audience: str = "api"
    port: int | None = None
    namespace: str | None = None
    authorities: str | None = None
    settings: dict[str, float] = field(default_factory=dict)
    workers: int = 1
    shared: bool = False
    careless: bool = False
    pause: float = 0.005

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def log_of(log: str, worker: int) -> Path:
    """Where a worker writes: its pid, and then its checks line by line."""
    return Path(f"{log}.{worker}")


def tokens_of(log: str) -> Path:
    """Where it is written, line by line, what is to be checked: a name and a token."""
    return Path(f"{log}.tokens")


def enter(namespace: str) -> None:
    """Has what this thread opens from now on in that network namespace."""
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _lead_to(port: int) -> None:
    """Every name leads to this port here, as a resolver or a router could have it."""

    def lead(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    socket.getaddrinfo = lead


def _live(spec: Spec) -> None:
    """In a process of its own."""
    if spec.namespace is not None:
        enter(spec.namespace)
    if spec.authorities is not None:
        os.environ["SSL_CERT_FILE"] = spec.authorities
    if spec.port is not None:
        _lead_to(spec.port)
    if spec.careless:
        StatusMirror.age = lambda *_, **__: 0.0  # type: ignore[method-assign]
    verifier = _made(spec).__enter__() if spec.shared else None
    worker = 0
    for number in range(1, spec.workers):
        if os.fork() == 0:
            worker = number
            break
    _check_on(verifier or _made(spec), spec, worker)


def _made(spec: Spec) -> Verifier:
    spans: dict[str, Any] = {
        name: timedelta(seconds=value) for name, value in spec.settings.items()
    }
    return Verifier(issuer=spec.issuer, audience=spec.audience, **spans)


def _check_on(verifier: Verifier, spec: Spec, worker: int) -> None:
    """Checks everything round by round, until whoever forked this process is gone."""
    parent = os.getppid()
    tokens: list[tuple[str, str]] = []
    with (
        log_of(spec.log, worker).open("wb", buffering=0) as log,
        tokens_of(spec.log).open(encoding="ascii") as given,
    ):
        log.write(f"{os.getpid()}\n".encode())
        while os.getppid() == parent:
            for line in given:
                name, token = line.split()
                tokens.append((name, token))
            lines = [f"{uptime():.6f} {ROUND} {ROUND}\n"]
            for name, token in tokens:
                began = uptime()
                lines.append(f"{began:.6f} {name} {_said(verifier, token)}\n")
            log.write("".join(lines).encode())
            time.sleep(spec.pause)


def _said(verifier: Verifier, token: str) -> str:
    try:
        verifier.check(token)
    except CounterfoilError as why:
        return why.code
    return PASSED


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        spec = Spec(**json.loads(line))
        if os.fork() == 0:
            sys.stdin.close()
            _live(spec)
            os._exit(0)


if __name__ == "__main__":
    main()
