"""An example as its reader runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from live import OTHER, PASSWORD, PATIENCE, WRONG, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
# What begins a handle or a token, and the passwords that the tests and the examples use.
SECRET: Final = re.compile(rf"cf_\w|eyJ|{PASSWORD}|{WRONG}|{OTHER}")


@dataclass(slots=True)
class Example(Site):
    """An example that runs; `said` is what it printed when it started."""

    said: str = ""

    def type_in(self) -> list[str]:
        """Runs the commands that it printed in one shell, and returns what each of them says."""
        typed = "\n".join(line for line in self.said.splitlines() if line.startswith("  "))
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", typed], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stderr == ""
        return done.stdout.splitlines()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def example(
    name: str, folder: Path, *options: str, port: int | None = None, grumbles: str = ""
) -> Iterator[Example]:
    """The example, until Ctrl-C ends it; it must then end well, and have said no secret.

    grumbles: what it may log besides its greeting, as a regular expression for a line.
    """
    port = port or free_port()
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), "--port", str(port)]
    log = folder / f"{name}.log"
    with (
        log.open("w") as written,
        subprocess.Popen(
            [*command, *options], cwd=folder, env=_environment(), stdout=written, stderr=written
        ) as process,
    ):
        try:
            _wait(process, port, log)
            data = folder / "examples-data" / name
            yield Example(port=port, data=data, demo_password=None, said=log.read_text())
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    said = log.read_text()
    assert not SECRET.search(said)
    grumbled = said.partition("Ctrl-C stops")[2].splitlines()
    grumbled = [line for line in grumbled[1:] if line and not line.startswith("  ")]
    assert [line for line in grumbled if not re.fullmatch(grumbles, line)] == []


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < give_up, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def _environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("COUNTERFOIL_")}
