"""How the story is told: chapters, sentences, steps; plain where nobody watches."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST: Final = 88
_NAMES: Final = 13  # columns before what a step says


@dataclass(frozen=True, slots=True)
class Stage:
    """Tells on standard output; on a quiet one nothing is heard."""

    console: Console

    @classmethod
    def standing(cls, *, quiet: bool) -> Stage:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a terminal may not have every character
        console = Console(quiet=quiet, highlight=False, markup=False, emoji=False)
        console.width = min(console.width, WIDEST)
        return cls(console)

    def chapter(self, title: str, text: str = "") -> None:
        """What comes next, and why one should care."""
        self.console.print()
        self.console.rule(Text(title, "bold"), align="left", style="dim")
        self.console.print()
        if text:
            self.say(text)
            self.pause()

    def say(self, text: str) -> None:
        """A paragraph."""
        self._print(Text(textwrap.fill(" ".join(text.split()), self.console.width)))

    def pause(self) -> None:
        self.console.print()

    def step(self, name: str, text: str, *, style: str = "") -> None:
        """What was done or seen, beside a name for it."""
        room = self.console.width - _NAMES
        lines = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
        for number, line in enumerate(lines):
            label = name if number == 0 else ""
            self._print(Text.assemble((f"  {label:<{_NAMES - 2}}", "cyan"), (line, style)))

    def outcome(self, text: str, *, good: bool) -> None:
        """What the chapter has shown."""
        self.pause()
        filled = textwrap.fill(" ".join(text.split()), self.console.width)
        self._print(Text(filled, "bold green" if good else "bold red"))

    def table(self, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right")
        for line in lines:
            table.add_row(*map(Text, line))
        self.console.print(table)

    @contextmanager
    def waiting(self, what: str) -> Iterator[Callable[[str], None]]:
        """On a terminal a line that changes, on standard error; gives what to call with how far it
        is."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        # Shown with the first news: what is over at once must not be slowed by telling of it.
        status = Console(stderr=True).status(f"{what} …")

        def tell(far: str) -> None:
            status.update(f"{what}: {far}")
            status.start()

        try:
            yield tell
        finally:
            status.stop()

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)
