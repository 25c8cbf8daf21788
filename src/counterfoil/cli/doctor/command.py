"""`counterfoil doctor`: looks, tells the gravest first, and exits 1 if something is wrong."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from dataclasses import asdict
from typing import Annotated, Final

import typer

from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import tell, tell_json
from counterfoil.cli.words import counted

WIDTH: Final = 88  # or as wide as the terminal is
_INDENT: Final = 9
_COLOURS: Final = {"wrong": typer.colors.RED, "warning": typer.colors.YELLOW}

Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="Look at this issuer; without --data from outside only."
    ),
]


def doctor(*, data: Data = None, url: Url = None, as_json: AsJson = False) -> None:
    """Say what is wrong with a set-up, and how to mend it. Changes nothing.

    Exits 1 if something is wrong, 0 otherwise, warnings or not.
    """
    # Late: every other command starts without it.
    from counterfoil.cli.doctor.examination import NEVER, examine

    found = examine(data, url)
    wrong, warnings = found.of("wrong"), found.of("warning")
    fine, unseen = found.of("ok"), found.of("unseen")
    if as_json:
        tell_json(
            {
                "findings": [asdict(each) for each in (*wrong, *warnings, *fine)],
                "not_looked_at": [*(each.says for each in unseen), *NEVER],
                "wrong": len(wrong),
                "warnings": len(warnings),
            }
        )
    else:
        for each in (*wrong, *warnings, *fine):
            _tell(each.level, f"{each.says} [{each.id}]", each.mend)
        tell("")
        for text in (*(each.says for each in unseen), *NEVER):
            _tell("not seen", text, "")
        noticed = f"{len(wrong)} wrong, {counted(len(warnings), 'warning')}"
        tell(f"\n{noticed}, {len(fine)} in order. Nothing was changed.")
    if wrong:
        raise typer.Exit(1)


def _tell(level: str, says: str, mend: str) -> None:
    first, *others = _filled(says)
    label = f"{level:<{_INDENT}}"
    if level in _COLOURS and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        label = typer.style(label, fg=_COLOURS[level], bold=True)
    tell(label + first)
    for line in (*others, *(_filled(mend) if mend else ())):
        tell(" " * _INDENT + line)


def _filled(text: str) -> list[str]:
    """Lines that a command can be copied from: none is broken within a word."""
    room = max(min(WIDTH, shutil.get_terminal_size().columns) - _INDENT, _INDENT)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
