"""Programs of the chapter in processes of their own, spoken to in lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]


class Member:
    """One process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._into = cast("IO[str]", process.stdin)
        self._from = cast("IO[str]", process.stdout)

    def tell(self, said: dict[str, Any]) -> None:
        self._into.write(json.dumps(said) + "\n")
        self._into.flush()

    def hear(self) -> dict[str, Any]:
        """What it says next. Raises `EOFError` when it has ended instead."""
        line = self._from.readline()
        if not line:
            raise EOFError("A process of the measurement has ended; see what it said.")
        heard: dict[str, Any] = json.loads(line)
        return heard


@contextmanager
def crew(module: str, *arguments: object, count: int = 1) -> Iterator[Sequence[Member]]:
    """So many processes that run this module of the chapter; they have said that they are ready."""
    command = [sys.executable, "-m", f"bench.feed.{module}", *map(str, arguments)]
    with ExitStack() as running:
        members = [Member(running.enter_context(_process(command))) for _ in range(count)]
        for member in members:
            member.hear()
        yield members


@contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603 - this project's own program
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def all_told(members: Sequence[Member], said: dict[str, Any]) -> list[dict[str, Any]]:
    """What each answers to the same."""
    for member in members:
        member.tell(said)
    return [member.hear() for member in members]


def told_by(module: str, *arguments: object) -> dict[str, Any]:
    """What a process that runs this module of the chapter says, once."""
    command = [sys.executable, "-m", f"bench.feed.{module}", *map(str, arguments)]
    with _process(command) as process:
        return Member(process).hear()
