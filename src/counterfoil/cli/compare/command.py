"""`counterfoil compare`: measures, and tells it as tables, as JSON, or as a page with plots."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.options import AsJson
from counterfoil.cli.output import say, tell_json
from counterfoil.errors import ConfigurationError


def compare(
    *,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            help="postgresql://…: on that server, in a schema of its own; by default SQLite.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one page with plots, too."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less of everything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure sessions, hybrid and JWT on this machine: cost, revocation, outages, growth.

    Starts a server of its own in a temporary folder, takes its store and its network away, and
    leaves nothing behind. Takes about a minute. Exits 0 only if every promise was kept.
    """
    # Late: every other command starts without it.
    from counterfoil.cli.compare.comparison import compared
    from counterfoil.cli.compare.depth import FULL, QUICK
    from counterfoil.cli.compare.page import page
    from counterfoil.cli.compare.telling import chapters, told
    from counterfoil.cli.demo.caller import NotAsSaid

    if html is not None:
        _require_writable(html)
    try:
        with chapters() as chapter:
            found = compared(QUICK if quick else FULL, store, chapter)
    except KeyboardInterrupt:
        say("Stopped. The server has ended, and nothing of it is left.")
        raise typer.Exit(130) from None
    except NotAsSaid as why:
        say(str(why))
        raise typer.Exit(1) from None
    if html is not None:
        html.write_text(page(found), encoding="utf-8")
    if as_json:
        tell_json(found.as_json())
    else:
        told(found)
    if html is not None:
        say(f"Wrote {html}.")
    if found.broken:
        raise typer.Exit(1)


def _require_writable(place: Path) -> None:
    """Before a minute has gone by. Raises `ConfigurationError`."""
    there = place if place.exists() else place.parent
    if place.is_dir() or not there.exists() or not os.access(there, os.W_OK):
        raise ConfigurationError(f"Give --html a file that can be written; {place} cannot.")
