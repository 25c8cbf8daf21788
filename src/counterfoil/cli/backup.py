"""`counterfoil backup`: a copy of the database, made beside a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.data import existing, require_file
from counterfoil.cli.holdings import holdings
from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import say, tell, tell_json
from counterfoil.cli.progress import counting
from counterfoil.cli.words import stamp
from counterfoil.clock import SystemClock
from counterfoil.stores.sqlite_copies import copy_out, require_sound

File = Annotated[
    Path, typer.Argument(metavar="FILE", readable=False, help="The copy, a file of its own.")
]


def backup(file: File, *, data: Data = None, as_json: AsJson = False) -> None:
    """Copy the database, also while a server uses it; the keys are not in it.

    `counterfoil restore` puts the copy back.
    """
    settings = existing(data)
    require_file(settings)
    now = SystemClock().now()
    with counting("Copying the database", "pages", whole=True) as progress:
        copy_out(settings.database, file, made_at=now, progress=progress)
    try:
        say("Looking through the copy.")
        require_sound(file)
        held = holdings(file, now=now)
    except BaseException:
        file.unlink()
        raise
    keys = settings.data / "keys"
    if as_json:
        tell_json({"copy": str(file), "made_at": now, **held.as_json(), "keys": str(keys)})
        return
    tell(f"Copied to {file}, as of {stamp(now)}: {held} ({held.bytes / 1e6:,.1f} MB).")
    tell("It holds identifiers and password hashes, and only you can read it.")
    tell(f"The keys are not in it, but in {keys}: who has a copy of those can sign tokens.")
