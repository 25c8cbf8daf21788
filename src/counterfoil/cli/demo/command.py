"""`counterfoil demo`: tells the story, and counts what was not as said."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from counterfoil.cli.options import AsJson
from counterfoil.cli.output import say, tell_json
from counterfoil.errors import ConfigurationError

GRACE = "3s"


def demo(
    *,
    access_lifetime: Annotated[
        str,
        typer.Option(
            "--access-lifetime",
            metavar="SPAN",
            help="How long the tokens of the jwt client live: so long you wait.",
        ),
    ] = "6s",
    as_json: AsJson = False,
) -> None:
    """See a revocation, measured: three strategies, a role change, a lost reply, a thief.

    Starts a development server of its own in a temporary folder, and leaves nothing behind. Takes
    about a quarter of a minute. Exits 0 only if every step did what it says.
    """
    # Late: every other command starts without it.
    from counterfoil.cli.demo import story
    from counterfoil.cli.demo.caller import NotAsSaid

    access, grace = _span(access_lifetime), _span(GRACE)
    try:
        told = story.tell(access=access, grace=grace, quiet=as_json)
    except KeyboardInterrupt:
        say("Stopped. The server has ended and its folder is gone.")
        raise typer.Exit(130) from None
    except NotAsSaid as why:
        say(str(why))
        raise typer.Exit(1) from None
    if as_json:
        tell_json(told)
    if not told["as_said"]:
        raise typer.Exit(1)


def _span(text: str) -> timedelta:
    from counterfoil.server.settings import read_span

    try:
        found = read_span(text)
    except ValueError:
        found = None
    if not isinstance(found, timedelta) or not timedelta(seconds=2) <= found <= timedelta(
        minutes=5
    ):
        raise ConfigurationError("Give --access-lifetime as 2s to 5m.")
    return found
