"""A development server of one's own: a subprocess, a temporary folder, and neither is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from counterfoil.cli.data import NOTE
from counterfoil.cli.interruptions import Interruptions
from counterfoil.errors import ConfigurationError
from counterfoil.server.settings import PREFIX

PATIENCE: Final = 120.0  # seconds until it must answer: a machine may be busy
TO_END: Final = 15.0  # and until it must have ended
_PAUSE: Final = 0.02
_NONE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Running:
    """The server, and what one needs to know of it. command: as one would type it."""

    issuer: str
    data: Path
    command: str
    started_in: float
    administrators_password: str = field(repr=False)


@contextmanager
def temporary_server(*options: str, environment: Mapping[str, str] = _NONE) -> Iterator[Running]:
    """`counterfoil serve --dev` with these options, until the end of the block, however it ends.
    environment: what no list of processes may show. Raises `ConfigurationError` where it does not
    come to answer."""
    server = _Server(options, environment)
    with Interruptions() as interruptions:
        try:
            with interruptions.held_back():
                server.start()
            yield server.answering()
        finally:
            interruptions.ignore()
            server.stop()


class _Server:
    def __init__(self, options: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._options = options
        self._given = environment
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    def start(self) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="counterfoil-demo-"))
        self._started_at = time.monotonic()
        program = (sys.executable, "-m", "counterfoil.cli.main", "serve", "--dev", "--port", "0")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [*program, "--data", str(folder / "data"), *self._options],
                cwd=folder,
                env={**_environment(), **self._given},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                process_group=0,  # Ctrl-C reaches the demo alone, which ends it in order
            )

    def answering(self) -> Running:
        """Waits until it does; the note in its folder is written then."""
        data = self._place / "data"
        while not (data / NOTE).exists():
            has_ended = self._process is None or self._process.poll() is not None
            if has_ended or time.monotonic() - self._started_at > PATIENCE:
                raise ConfigurationError(
                    f"A server of its own does not start: {self._last_words()}"
                )
            time.sleep(_PAUSE)
        return Running(
            issuer=json.loads((data / NOTE).read_bytes())["issuer"],
            data=data,
            command=" ".join(("counterfoil serve --dev", *self._options)),
            started_in=time.monotonic() - self._started_at,
            administrators_password=(data / "demo-password").read_text().strip(),
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _place(self) -> Path:
        if self._folder is None:
            raise ConfigurationError("Start the server first.")
        return self._folder

    def _last_words(self) -> str:
        lines = (self._place / "log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it said nothing within {PATIENCE:.0f} s."


def _environment() -> dict[str, str]:
    """Without the settings of a server that may be configured here."""
    return {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
