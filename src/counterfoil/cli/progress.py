"""How far long work is, on standard error: a line that changes on a terminal, else a line now and
then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer

from counterfoil.cli.output import say

EVERY: Final = 1.0  # seconds between plain lines


@contextmanager
def counting(what: str, done: str, *, whole: bool = False) -> Iterator[Callable[[int], None]]:
    """Gives what to call with the count so far. Interrupted, it says what has been done: each
    batch is for good, or nothing before all is, if it is whole."""
    reached = 0
    told_at = time.monotonic()

    def note(count: int) -> None:
        nonlocal reached
        reached = count
        show(count)

    def plainly(count: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= EVERY:
            told_at = time.monotonic()
            say(f"{what}: {count:,} {done} so far.")

    show = plainly
    try:
        if sys.stderr.isatty():
            from rich.console import Console

            with Console(stderr=True).status(f"{what} …") as status:
                show = lambda count: status.update(f"{what}: {count:,} {done} …")  # noqa: E731
                yield note
        else:
            yield note
    except KeyboardInterrupt:
        if whole:
            say("Stopped. Nothing was changed.")
        else:
            say(f"Stopped: {reached:,} {done}, or one batch more. Repeat the command to go on.")
        raise typer.Exit(130) from None
