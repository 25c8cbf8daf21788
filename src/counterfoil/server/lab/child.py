"""A process of the lab's own: told what to do on its standard input, and ended by closing that.

Whatever becomes of this process, its end closes the pipe, so no child is left behind.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.settings import PREFIX

PATIENCE: Final = 60.0  # seconds until it must have begun: a machine may be busy
TO_END: Final = 5.0


class Child:
    """Starts a module of this package. given: what it is told, which nobody else can read. log:
    where its errors go. Raises `NotAsSaid` where it does not begin."""

    def __init__(self, module: str, given: Mapping[str, Any], *, log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - a program of this package
                [sys.executable, "-m", f"counterfoil.server.lab.{module}"],
                cwd=log.parent,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                process_group=0,  # Ctrl-C reaches the server alone, which ends it in order
            )
        self._log = log
        self._given = json.dumps(given).encode() + b"\n"
        self._said: dict[str, Any] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> dict[str, Any]:
        """What it said once it had begun; waits for that."""
        if self._said is None:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None  # noqa: S101 - both are pipes
            assert stdout is not None  # noqa: S101 - as above
            with suppress(BrokenPipeError):
                stdin.write(self._given)
                stdin.flush()
            ready, _, _ = select.select([stdout], [], [], PATIENCE)
            line = stdout.readline() if ready else b""
            if not line:
                self.end()
                raise NotAsSaid(f"A process of the lab does not begin: {self._last_words()}")
            self._said = json.loads(line)
        return self._said

    def end(self) -> None:
        """Ends it in order, or else at once."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing."


def given() -> dict[str, Any]:
    """In a child: what it was told."""
    told: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    return told


def say(**members: object) -> None:
    """In a child, once it has begun: what the other end needs to know."""
    print(json.dumps(members), flush=True)  # noqa: T201 - it is read by the lab


def when_told_to_end(end: Callable[[], object]) -> None:
    """In a child: has `end` called when the other end closes, in order or not."""

    def wait() -> None:
        sys.stdin.buffer.read()
        end()

    threading.Thread(target=wait, name="lab-end", daemon=True).start()


def _environment() -> dict[str, str]:
    """Without the settings of the server that runs the lab."""
    return {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
