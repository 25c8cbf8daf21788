"""The comparison at a terminal: how far it is, and the tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from counterfoil.cli.compare.comparison import Chapters, Comparison
from counterfoil.cli.compare.tables import facts, tables, verdict
from counterfoil.cli.demo.stage import Stage
from counterfoil.cli.output import say


@contextmanager
def chapters() -> Iterator[Chapters]:
    """On a terminal one line that changes; else a line for each chapter, on standard error."""
    if not sys.stderr.isatty():

        def plainly(title: str) -> Callable[[str], None]:
            say(f"{title} …")
            return lambda _: None

        yield plainly
        return
    from rich.console import Console

    with Console(stderr=True).status("…") as status:

        def shown(title: str) -> Callable[[str], None]:
            status.update(f"{title} …")
            return lambda far: status.update(f"{title}: {far} …")

        yield shown


def told(found: Comparison) -> None:
    """All of it, on standard output."""
    stage = Stage.standing(quiet=False)
    stage.chapter("Session, hybrid and JWT, measured")
    for line in facts(found):
        stage.say(line)
    for table in tables(found):
        stage.chapter(table.title, table.says)
        stage.table(table.columns, table.lines)
        stage.pause()
        for note in table.notes:
            stage.say(note)
    for line in verdict(found):
        stage.outcome(line, good=not found.broken)
