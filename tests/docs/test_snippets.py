"""Every example in README.md and docs/ is run as it stands there.

- `python`: one page is one namespace and one folder, and may await. `# prints X` after a call says
  what comes out. A block that begins with a file's name is that file, for a command to run.
- `console`: each `$` line is run beside a development server of the page's own; what follows is
  what it prints. `make run` stands for that server's greeting. A page that runs `uvicorn` has the
  application of its own, on a free port, in that server's place.
- `toml`, `json`: must parse.

A page that names DATABASE_URL has an empty PostgreSQL, and a SECRET_FILE; one that names REDIS_URL
an empty Valkey.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

import prepared
from cli import terminal
from counterfoil import BlockingCounterfoil, Counterfoil
from docs.transcript import Transcript
from postgresql import new_schema
from serving import until
from valkeys import empty_valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DATABASE: Final = "DATABASE_URL"  # in the environment of a page that names it
REDIS: Final = "REDIS_URL"  # likewise
FILE: Final = re.compile(r"# ((?:\w+/)?[\w-]+\.(?:py|toml))\n")
COMMAND: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
PRINTS: Final = re.compile(r"# prints (.*)$", re.MULTILINE)
PROGRAMS: Final = Path(sys.executable).parent
GREETING: Final = "make run"
EXAMPLE: Final = "make example"
APPLICATION: Final = "uvicorn "
WELCOME: Final = re.compile(r"Go to http://(localhost:\d+) and sign in as demo, password (\S+),")


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


@dataclass
class Reader:
    """Somebody who types what a page shows, in a folder of their own."""

    folder: Path
    transcript: Transcript = field(default_factory=Transcript)
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    greeting: str = ""
    programs: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    async def read(self, block: Block) -> None:
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        if name := FILE.match(block.text):
            text = self.transcript.real(block.text)
            place = self.folder / name[1]
            place.parent.mkdir(exist_ok=True)
            place.write_text(text, encoding="utf-8")
        elif block.language == "python":
            await self.execute(block.text)
        elif block.language == "console":
            for command, expected in COMMAND.findall(block.text):
                self.transcript.compare(expected, self.run(command), of=command)

    async def execute(self, text: str) -> None:
        code = compile(text, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            waiting = eval(code, self.namespace)  # noqa: S307 - our own pages
            if inspect.isawaitable(waiting):
                await waiting
        if expected := PRINTS.findall(text):
            self.transcript.compare("\n".join(expected), printed.getvalue(), of=text)

    def run(self, command: str) -> str:
        if command == GREETING:
            return self.greeting
        if command == EXAMPLE:  # what make starts there
            command = "python examples/readme.py"
        if command.startswith(APPLICATION):
            return self.programs.enter_context(self.application(command))
        done = subprocess.run(
            ["/bin/bash", "-c", self.transcript.real(command)],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    @contextlib.contextmanager
    def server(self) -> Iterator[None]:
        """A development server, until the page is read."""
        log = self.folder / "log"
        with prepared.start(
            terminal.command,
            *("serve", "--dev", "--port", "0"),
            folder=self.folder,
            environment=environment(),
            stderr=log,
        ) as process:
            try:
                for line in process.stdout or ():
                    self.greeting += line
                    if "-X DELETE" in line:
                        break
                told = WELCOME.search(self.greeting)
                assert told, f"{self.greeting}\n{log.read_text()}"
                self.transcript.known["localhost:8000"] = told[1]
                self.transcript.known["the-demo-password"] = told[2]
                yield
            finally:
                process.terminate()

    @contextlib.contextmanager
    def application(self, command: str) -> Iterator[str]:
        """An application of the page, from this command on."""
        place = self.transcript.known["localhost:8000"].rpartition(":")[2]
        asked = [str(PROGRAMS / "uvicorn"), *command.split()[1:], "--port", place]
        with (
            (self.folder / "log").open("w") as log,
            subprocess.Popen(asked, cwd=self.folder, env=environment(), stderr=log) as process,
        ):
            try:
                until(lambda: answers(int(place)) or process.poll() is not None)
                yield ""
            finally:
                process.terminate()

    async def close(self) -> None:
        self.programs.close()
        for value in self.namespace.values():
            if isinstance(value, Counterfoil):
                await value.close()
            elif isinstance(value, BlockingCounterfoil):
                value.close()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
        return True
    return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    own = {"PATH": f"{PROGRAMS}:{kept['PATH']}", "COLUMNS": "100"}
    own["PYTHONPATH"] = str(ROOT)  # for what is run in a checkout: the simulation
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "anyio.pytest_plugin"}
    return {**kept, **own, **plugins}  # of ours, the reader has this one


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands_of(blocks: list[Block]) -> str:
    return "".join(block.text for block in blocks if block.language == "console")


def needs_server(blocks: list[Block]) -> bool:
    text = commands_of(blocks)
    if f"$ {APPLICATION}" in text:
        return False
    return re.search(r"^\$ (?:.* )?(?:curl|counterfoil|make run)", text, re.MULTILINE) is not None


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_program_on_a_page_is_run_there(page: Path) -> None:
    """A block that is a file's content is of use to a command further down."""
    text = page.read_text(encoding="utf-8")
    shown = [name[1] for block in blocks_of(page) if (name := FILE.match(block.text))]
    ways = {name: rf"^\$ .*\b(?:{name}|{name.removesuffix('.py')}:)" for name in shown}
    ways |= {"examples/readme.py": rf"^\$ {EXAMPLE}$"} if "examples/readme.py" in shown else {}
    assert [name for name, way in ways.items() if not re.search(way, text, re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_program_of_the_examples_is_shown_as_it_is(page: Path) -> None:
    """A block that names a file in examples/ is that file."""
    for block in blocks_of(page):
        name = FILE.match(block.text)
        if name and name[1].startswith("examples/"):
            assert block.text == (ROOT / name[1]).read_text(encoding="utf-8")


@pytest.fixture
def schema() -> Iterator[str]:
    with new_schema() as url:
        yield url


@pytest.fixture
def valkey() -> Iterator[str]:
    with empty_valkey() as url:
        yield url


@pytest.mark.parametrize("page", PAGES, ids=named)
async def test_a_page_shows_what_happens(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Every example of a page runs, and prints what the page says it prints."""
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(page)
    if any(DATABASE in block.text for block in blocks):
        monkeypatch.setenv(DATABASE, request.getfixturevalue("schema"))
        (tmp_path / "secret").write_text("the secret that each node is given", encoding="utf-8")
        monkeypatch.setenv("SECRET_FILE", "secret")
    if any(REDIS in block.text for block in blocks):
        monkeypatch.setenv(REDIS, request.getfixturevalue("valkey"))
    reader = Reader(tmp_path)
    if f"$ {APPLICATION}" in commands_of(blocks):
        reader.transcript.known["localhost:8000"] = f"localhost:{free_port()}"
    with reader.server() if needs_server(blocks) else contextlib.nullcontext():
        try:
            for block in blocks:
                await reader.read(block)
        finally:
            await reader.close()
