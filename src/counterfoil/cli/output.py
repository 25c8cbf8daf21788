"""Results go to standard output, talk to standard error; both are plain where nobody watches."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from counterfoil.lifetime import seconds_up


def tell(text: str) -> None:
    """A result."""
    typer.echo(text)


def say(text: str) -> None:
    """Talk: what goes on, and why not."""
    typer.echo(text, err=True)


def tell_json(value: Mapping[str, Any]) -> None:
    """A result for programs: moments in RFC 3339, durations in seconds rounded up, as over HTTP."""
    typer.echo(json.dumps(value, default=_plain, indent=2))


def tell_table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Columns under their names. Nothing is cut: ids are there to be copied."""
    if sys.stdout.isatty():
        _draw(columns, lines)
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *lines, strict=True)]
    for line in (columns, *lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _draw(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    Console().print(table)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return seconds_up(value)
    raise TypeError
