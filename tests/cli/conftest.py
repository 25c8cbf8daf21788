"""One server for all tests of a worker, and data folders without one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from cli.terminal import Said, Served, Terminal, start
from counterfoil import SqliteStore
from counterfoil.drive import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A development server; tests share it, each with accounts of its own."""
    running = start(tmp_path_factory.mktemp("served"), "--dev")
    yield running
    running.stop()


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts servers of the test's own, which end with it."""
    running: list[Served] = []

    def begin(*arguments: str, last: str = "-X DELETE") -> Served:
        running.append(start(tmp_path, *arguments, last=last))
        return running[-1]

    yield begin
    for each in running:
        each.stop()


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with keys in it: making them would take most of a test's time."""
    folder = tmp_path_factory.mktemp("made")
    store = SqliteStore(folder / "counterfoil.db")
    keys = store.default_keys()
    keys.signing_keys()
    keys.handle_secrets()
    drive(store.close())
    return folder


@pytest.fixture
def beside(made: Path, terminal: Terminal) -> Callable[..., Said]:
    """Runs a command on a data folder of the test's own, as `Served.run` does."""
    data = terminal.folder / "data"
    shutil.copytree(made, data)
    return lambda *arguments, stdin="": terminal(*arguments, "--data", str(data), stdin=stdin)
