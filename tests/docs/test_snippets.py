"""Every example in README.md and docs/ is run as it stands there.

- `python`: one page is one namespace and one folder, and may await. `# prints X` after a call says
  what comes out. A block that begins with a file's name is written there, for a command to run.
- `console`: each `$` line is run beside a development server of the page's own; what follows is
  what it prints. `make run` stands for that server's greeting.
- `toml`, `json`: must parse.

An abbreviation such as `eyJ…api` stands for one text on its page: it matches what is printed where
it first appears, and is put into later commands. A lone `…` matches anything. White space beside
JSON's punctuation does not count, moments match moments, and long spans match within a sixth.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE: Final = re.compile(r"# ([\w-]+\.(?:py|toml))\n")
COMMAND: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
PRINTS: Final = re.compile(r"# prints (.*)$", re.MULTILINE)
PROGRAMS: Final = Path(sys.executable).parent
GREETING: Final = "make run"
PASSWORD: Final = "the-demo-password"
WELCOME: Final = re.compile(r"Go to http://localhost:(\d+) and sign in as demo, password (\S+),")
SPECIAL: Final = re.compile(
    r"(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
    r"|(?P<any> ?(?<![\w.-])…(?![\w.-]) ?)|(?P<name>[\w.-]*…[\w.-]*)"
    r'|(?<=_within_seconds":)(?P<span>\d{3,})'
)
MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


@dataclass
class Reader:
    """Somebody who types what a page shows, in a folder of their own."""

    folder: Path
    names: dict[str, str] = field(default_factory=dict)
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    greeting: str = ""
    port: str = "8000"
    password: str = PASSWORD

    async def read(self, block: Block) -> None:
        if block.language == "json":
            json.loads(re.sub(r"…", "", block.text))
        elif block.language == "toml":
            tomllib.loads(block.text)
        if name := FILE.match(block.text):
            (self.folder / name[1]).write_text(self.real(block.text), encoding="utf-8")
        elif block.language == "python":
            await self.execute(block.text)
        elif block.language == "console":
            for command, expected in COMMAND.findall(block.text):
                self.compare(expected, self.run(command), of=command)

    async def execute(self, text: str) -> None:
        code = compile(text, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            waiting = eval(code, self.namespace)  # noqa: S307 - our own pages
            if inspect.isawaitable(waiting):
                await waiting
        if expected := PRINTS.findall(text):
            self.compare("\n".join(expected), printed.getvalue(), of=text)

    def run(self, command: str) -> str:
        if command == GREETING:
            return self.greeting
        done = subprocess.run(
            ["/bin/bash", "-c", self.real(command)],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout

    def real(self, text: str) -> str:
        """What is meant by a text of the page."""
        known = {"localhost:8000": f"localhost:{self.port}", PASSWORD: self.password}
        for shown, meant in (*self.names.items(), *known.items()):
            text = text.replace(shown, meant)
        return text

    def compare(self, expected: str, printed: str, *, of: str) -> None:
        printed = printed.replace(f"localhost:{self.port}", "localhost:8000")
        printed = flattened(printed.replace(self.password, PASSWORD))
        pattern, names, spans = self.pattern(flattened(expected))
        found = re.fullmatch(pattern, printed, re.DOTALL)
        assert found, f"{of}\n-- the page says\n{flattened(expected)}\n-- it prints\n{printed}"
        self.names.update({name: found[group] for group, name in names.items()})
        for group, seconds in spans.items():
            assert abs(int(found[group]) - seconds) <= seconds / 6, of

    def pattern(self, expected: str) -> tuple[str, dict[str, str], dict[str, int]]:
        """What is expected as a regular expression; its groups for new names, and for spans."""
        pattern, at = "", 0
        names: dict[str, str] = {}
        spans: dict[str, int] = {}
        for special in SPECIAL.finditer(expected):
            pattern += re.escape(expected[at : special.start()])
            at = special.end()
            group, text = f"g{special.start()}", special[0]
            if special["moment"]:
                pattern += MOMENT
            elif special["span"]:
                spans[group] = int(text)
                pattern += rf"(?P<{group}>\d+)"
            elif special["any"]:
                pattern += ".*?"
            elif text in self.names:
                pattern += re.escape(self.names[text])
            elif text in names.values():
                pattern += f"(?P={next(g for g, name in names.items() if name == text)})"
            else:
                names[group] = text
                pattern += f"(?P<{group}>{text[:3] if text[:3] in ('eyJ', 'cf_') else ''}[\\w.-]+)"
        return pattern + re.escape(expected[at:]), names, spans

    @contextlib.contextmanager
    def server(self) -> Iterator[None]:
        """A development server, until the page is read."""
        command = [PROGRAMS / "counterfoil", "serve", "--dev", "--port", "0"]
        with (
            (self.folder / "log").open("w") as log,
            subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as process,
        ):
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    self.greeting += line
                    if "-X DELETE" in line:
                        break
                told = WELCOME.search(self.greeting)
                assert told, (self.folder / "log").read_text()
                self.port, self.password = told.groups()
                yield
            finally:
                process.send_signal(signal.SIGTERM)


def environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    return {**kept, "PATH": f"{PROGRAMS}:{kept['PATH']}", "COLUMNS": "100"}


def flattened(text: str) -> str:
    """One line, with no white space where JSON needs none."""
    return " ".join(re.sub(r"\s*([{}\[\],:])\s*", r"\1", text).split())


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def needs_server(blocks: list[Block]) -> bool:
    text = "".join(block.text for block in blocks if block.language == "console")
    return re.search(r"^\$ (curl|counterfoil|make run)", text, re.MULTILINE) is not None


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_program_on_a_page_is_run_there(page: Path) -> None:
    """A block that is a file's content is of use to a command further down."""
    text = page.read_text(encoding="utf-8")
    programs = [FILE.match(block.text) for block in blocks_of(page)]
    shown = [program[1] for program in programs if program]
    assert [name for name in shown if not re.search(rf"^\$ .*\b{name}", text, re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
async def test_a_page_shows_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every example of a page runs, and prints what the page says it prints."""
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(page)
    reader = Reader(tmp_path)
    with reader.server() if needs_server(blocks) else contextlib.nullcontext():
        try:
            for block in blocks:
                await reader.read(block)
        finally:
            for value in reader.namespace.values():
                await close(value)


async def close(value: object) -> None:
    if type(value).__name__ in {"Counterfoil", "BlockingCounterfoil"}:
        waiting = value.close()  # type: ignore[attr-defined]
        if inspect.isawaitable(waiting):
            await waiting
