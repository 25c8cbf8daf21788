"""A PostgreSQL on a disk of its own, so small that a test can fill it.

The disk is memory, in a namespace that any user may make where the kernel lets it: nothing of it is
seen from elsewhere, and it is gone with the process that holds it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from engines import postgres
from postgresql import do_without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGABYTES: Final = 96
_ENTER: Final = ("nsenter", "--user", "--mount", "--preserve-credentials")
_HOLD: Final = (
    'mkdir "$2" && mount -t tmpfs -o size="$1"m small "$2" && echo mounted && exec sleep infinity'
)


@dataclass
class SmallDisk:
    """Where the server keeps everything, its log of writes included."""

    server: postgres.PostgresServer

    @property
    def _ballast(self) -> Path:
        return self.server.folder / "data" / "ballast"

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Nothing more can be written there, until an operator makes room."""
        try:
            self._run("dd", "if=/dev/zero", f"of={self._ballast}", "bs=64k")
            yield
        finally:
            self._run("rm", "-f", str(self._ballast))

    def _run(self, *command: str) -> None:
        subprocess.run(
            [*self.server.inside, *command],
            capture_output=True,
            check=False,
            **postgres.as_somebody(),
        )


@contextlib.contextmanager
def small_disk(**settings: str) -> Iterator[SmallDisk]:
    """A server on one."""
    try:
        programs = postgres.programs()
    except postgres.NotHere as why:
        do_without(str(why))
    with postgres.folder_of_its_own() as folder, _mounted(folder / "data") as inside:
        server = postgres.PostgresServer(folder, programs, settings, inside)
        with postgres.running(server):
            yield SmallDisk(server)


@contextlib.contextmanager
def _mounted(place: Path) -> Iterator[tuple[str, ...]]:
    """A disk at that place, and the words that have a command see it."""
    try:
        holder = _hold(place)
    except OSError as why:
        _do_without_disk(str(why))
    with holder:
        try:
            assert holder.stdout is not None
            assert holder.stderr is not None
            if holder.stdout.readline() != "mounted\n":
                _do_without_disk(holder.stderr.read().strip())
            yield (*_ENTER, f"--target={holder.pid}")
        finally:
            holder.kill()


def _hold(place: Path) -> subprocess.Popen[str]:
    """A process that has it for as long as it lives."""
    who = postgres.as_somebody()
    user, group = who.get("user", os.geteuid()), who.get("group", os.getegid())
    return subprocess.Popen(
        [
            *("unshare", "--user", "--mount", "--keep-caps"),
            *(f"--map-user={user}", f"--map-group={group}"),
            *("sh", "-c", _HOLD, "sh", str(MEGABYTES), str(place)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **who,
    )


def _do_without_disk(why: str) -> NoReturn:
    pytest.skip(f"This machine gives this user no disk of their own: {why}")
