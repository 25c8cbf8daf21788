"""How a revocation spreads: waited for until it holds at every verifier, and shown meanwhile."""

from __future__ import annotations

import asyncio
import math
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import typer

from counterfoil.cli.data import DataFolder, at
from counterfoil.cli.output import say
from counterfoil.cli.words import counted, relative, stamp, within
from counterfoil.errors import Unavailable
from counterfoil.outcome import Revoked
from counterfoil.server.tables.verifiers import Followers, NamedVerifier
from counterfoil.server.verifiers.register import silence_of
from counterfoil.server.verifiers.waiting import Spread, after

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

LOOK_EVERY: Final = 0.1
SAY_EVERY: Final = 1.0  # seconds between plain lines
MOST_LINES: Final = 20
COLUMNS: Final = ("VERIFIER", "PROCESS", "HEARD")
_A_SECOND: Final = timedelta(microseconds=999_999)  # so that a moment is cut to the next second


@dataclass(frozen=True, slots=True)
class Committed:
    """A revocation that was acknowledged: at `uptime` and `at`, or a moment before."""

    revoked: Revoked
    uptime: float
    at: datetime

    @property
    def lag(self) -> timedelta:
        return self.revoked.effective_within

    @property
    def holds_from(self) -> str:
        """When no verifier accepts any more what was revoked."""
        return stamp(self.at + self.lag + _A_SECOND)


@dataclass(slots=True)
class Hearing:
    """Who has heard so far. after: seconds from the revocation until each had confirmed."""

    committed: Committed
    spread: Spread = field(default_factory=Spread)
    after: dict[tuple[str, str], float] = field(default_factory=dict)
    anonymous: int = 0
    left: float = 0.0

    def look(self, found: Followers) -> None:
        self.anonymous = found.anonymous
        self.spread.look(found)
        for key, each in self.spread.confirmed.items():
            since = (each.seen_at - self.committed.at).total_seconds()
            self.after.setdefault(key, max(0.0, since))

    @property
    def everybody(self) -> list[NamedVerifier]:
        """Those with a name; who has not confirmed comes first where they are many."""
        confirmed, unconfirmed = self.spread.confirmed, self.spread.unconfirmed
        if len(confirmed) + len(unconfirmed) > MOST_LINES:
            return [*unconfirmed.values(), *confirmed.values()]
        found = {**confirmed, **unconfirmed}
        return [found[key] for key in sorted(found)]

    @property
    def count(self) -> str:
        """As in "1 of 2 verifiers have confirmed"."""
        confirmed = len(self.spread.confirmed)
        of = confirmed + len(self.spread.unconfirmed)
        if not of:
            return "No verifier with a name follows"
        return f"{confirmed} of {counted(of, 'verifier')} with a name confirmed"

    @property
    def revoked(self) -> Revoked:
        """What was revoked, with what is left of its bounds once it holds at every verifier."""
        return after(self.committed.revoked, self.committed.lag.total_seconds())

    @property
    def bounds(self) -> str:
        """In words, once it holds."""
        since = f"since {self.committed.holds_from}" if self.committed.lag else "at once"
        return f"effective {since}, elsewhere {within(self.revoked.elsewhere_within)}"

    def described(self) -> dict[str, Any]:
        """Who has heard, for programs."""
        confirmed, unconfirmed = self.spread.confirmed, self.spread.unconfirmed
        return {
            "confirmed": [
                {"client_id": key[0], "process": key[1], "after_seconds": round(self.after[key], 3)}
                for key in sorted(confirmed)
            ],
            "unconfirmed": [
                {"client_id": key[0], "process": key[1], "last_seen_at": unconfirmed[key].seen_at}
                for key in sorted(unconfirmed)
            ],
            "anonymous": self.anonymous,
        }


Show: TypeAlias = Callable[[Hearing], None]


def wait(data: Path | None, done: Committed, *, quietly: bool) -> Hearing:
    """Until it holds at every verifier. Interrupted, it says when that will be: the revocation does
    not depend on who waits for it."""
    if not done.lag:
        return Hearing(done)
    try:
        with _silent() if quietly else _shown(done) as show:
            return at(data, lambda folder: _follow(folder, done, show))
    except KeyboardInterrupt:
        say(
            "Stopped waiting. The revocation holds all the same: no verifier accepts what it ended"
            f" from {done.holds_from} on."
        )
        raise typer.Exit(130) from None


async def _follow(folder: DataFolder, done: Committed, show: Show) -> Hearing:
    rows, clock, watch = folder.verifiers, folder.clock, secrets.token_urlsafe(6)
    heard = Hearing(done)
    ends = done.uptime + done.lag.total_seconds()
    with suppress(Unavailable):
        await rows.watch(watch, until=done.at + done.lag)
    try:
        while True:
            heard.left = max(0.0, ends - clock.uptime())
            with suppress(Unavailable):  # what is promised rests on time alone
                silence = silence_of(folder.auth.clients)
                heard.look(await rows.followers(now=clock.now(), silence=silence))
            show(heard)
            if not heard.left:
                return heard
            await asyncio.sleep(min(LOOK_EVERY, heard.left))
    finally:
        with suppress(Unavailable):
            await rows.unwatch(watch, now=clock.now())


@contextmanager
def _silent() -> Iterator[Show]:
    yield lambda _: None


@contextmanager
def _shown(done: Committed) -> Iterator[Show]:
    """On standard error: a table that changes on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        say(_headline(Hearing(done, left=done.lag.total_seconds())))
        yield _plainly()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        yield _drawing(live)


def _plainly() -> Show:
    told, told_at = "", time.monotonic()

    def show(heard: Hearing) -> None:
        nonlocal told, told_at
        if not heard.left:
            _tell_end(heard)
        elif heard.count != told and time.monotonic() - told_at >= SAY_EVERY:
            told, told_at = heard.count, time.monotonic()
            say(f"{heard.count}; {_whole(heard.left)} left.")

    return show


def _tell_end(heard: Hearing) -> None:
    say(_summary(heard))
    missing = [*heard.spread.unconfirmed.values()]
    for each in missing[:MOST_LINES]:
        say(f"{each.client_id} {each.process}: {_word(heard, each)}.")
    if len(missing) > MOST_LINES:
        say(f"And {len(missing) - MOST_LINES} more.")


def _drawing(live: Live) -> Show:
    shown: object = None

    def show(heard: Hearing) -> None:
        nonlocal shown
        lines = [(each, _word(heard, each)) for each in heard.everybody]
        told = (_headline(heard), lines, _summary(heard))
        if told != shown:
            shown = told
            live.update(_drawn(heard, *told), refresh=True)

    return show


def _drawn(
    heard: Hearing, headline: str, lines: list[tuple[NamedVerifier, str]], summary: str
) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for each, word in lines[:MOST_LINES]:
        key = each.client_id, each.process
        table.add_row(*key, Text(word, style="green" if key in heard.after else "yellow"))
    parts: list[RenderableType] = [Text(headline)]
    if lines:
        parts += [Text(), table, Text()]
    if len(lines) > MOST_LINES:
        parts.append(Text(f"… and {len(lines) - MOST_LINES} more."))
    return Group(*parts, Text(summary))


def _headline(heard: Hearing) -> str:
    if not heard.left:
        return f"Revoked. No verifier accepts it any more, since {heard.committed.holds_from}."
    return (
        f"Revoked. In {_whole(heard.left)} no verifier accepts it any more; Ctrl-C undoes nothing."
    )


def _whole(seconds: float) -> str:
    return f"{math.ceil(seconds)} s"


def _summary(heard: Hearing) -> str:
    others = f"; {heard.anonymous} without a name" if heard.anonymous else ""
    return f"{heard.count}{others}."


def _word(heard: Hearing, each: NamedVerifier) -> str:
    """What is to be said of a verifier."""
    since = heard.after.get((each.client_id, each.process))
    if since is not None:
        return f"after {since:.1f} s" if since >= 1 else f"after {max(1, round(since * 1000))} ms"
    gone = heard.committed.lag - timedelta(seconds=heard.left)
    seen = relative(each.seen_at, now=heard.committed.at + gone)
    return f"not yet, seen {seen}" if heard.left else f"no, seen {seen}; it refuses by itself"
