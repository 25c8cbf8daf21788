"""`counterfoil restore`: a copy is put back in the place of the database, or said to be there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.cli.data import DataFolder, at, existing, require_file, require_owner
from counterfoil.cli.interruptions import run
from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import say, tell, tell_json
from counterfoil.cli.progress import counting
from counterfoil.cli.restoring import Declared, Restored, put_back
from counterfoil.cli.words import counted, relative, stamp
from counterfoil.client import Client
from counterfoil.clock import SystemClock
from counterfoil.errors import ConfigurationError
from counterfoil.lifetime import NOTHING, seconds_up
from counterfoil.server.settings import Settings, load
from counterfoil.server.storing import address_of
from counterfoil.stores.sqlite_copies import require_sound

File = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", readable=False, help="A copy that `counterfoil backup` made."),
]
Declare = Annotated[
    bool, typer.Option("--declare", help="The database is back already; only declare it.")
]


def restore(
    file: File = None, *, declare: Declare = False, data: Data = None, as_json: AsJson = False
) -> None:
    """Put a copy of the database back, and end every session.

    What was revoked, suspended or changed since the copy was made is not in it. So all sessions are
    ended, and no credential from before passes. A running server goes on with the copy at once.
    """
    if declare == (file is not None):
        raise ConfigurationError("Name a copy to put back, or --declare one that is back already.")
    settings = _settings(data)
    require_owner(settings.data)
    if file is None:
        _tell(_declared(settings), settings, as_json=as_json)
        return
    require_file(settings)
    now = SystemClock().now()
    restored = run(lambda: put_back(file, settings, now=now))
    if not as_json:
        _tell_copy(restored, now)
    _tell(restored.declared, settings, as_json=as_json, restored=restored)


def _settings(place: Path | None) -> Settings:
    """As the folder was last served; one that is new, or lost its database, can be restored too."""
    settings = load({"data": place})
    if address_of(settings) or settings.database.exists():
        return existing(place)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings


def _declared(settings: Settings) -> Declared:
    if not address_of(settings):
        if not settings.database.exists():
            raise ConfigurationError(f"There is no database in {settings.data} to declare.")
        say("Looking through the database.")
        require_sound(settings.database)

    async def work(folder: DataFolder) -> Declared:
        with counting("Ending all sessions", "ended", whole=True) as progress:
            ended = await folder.auth.declare_restore(progress=progress)
        read = await folder.auth.store.feed(None, now=folder.clock.now())
        return Declared(ended, read.position, list(folder.auth.clients.values()))

    return at(settings.data, work)


def _tell_copy(restored: Restored, now: datetime) -> None:
    held, made_at = restored.held, restored.held.copied_at
    told = f"of {stamp(made_at)} ({relative(made_at, now=now)})" if made_at else "of unknown age"
    tell(f"Restored {restored.file}, a copy {told}: {held}.")
    if restored.former is not None:
        tell(f"The database before it is kept as {restored.former}.")


def _tell(
    declared: Declared,
    settings: Settings,
    *,
    as_json: bool,
    restored: Restored | None = None,
) -> None:
    hybrid = [each.max_staleness for each in _signing(declared.clients, "hybrid")]
    tokens = [each.lifetime.access for each in _signing(declared.clients, "hybrid", "jwt")]
    within, longest = max(hybrid, default=NOTHING), max([settings.lifetime.access, *tokens])
    if as_json:
        tell_json(
            {
                "sessions_ended": declared.ended,
                "epoch": declared.position.epoch,
                "hybrid_within_seconds": within,
                "elsewhere_within_seconds": longest,
                **(_as_json(restored) if restored is not None else {}),
            }
        )
        return
    tell(f"Ended {counted(declared.ended, 'session')}: everybody signs in again.")
    tell(f"Tokens of hybrid clients are refused everywhere within {seconds_up(within)} s.")
    tell(f"Those of jwt clients stay good until they expire, within {seconds_up(longest)} s;")
    tell("`counterfoil keys distrust` ends them sooner.")


def _as_json(restored: Restored) -> dict[str, Any]:
    return {
        "copy": {
            "file": str(restored.file),
            "made_at": restored.held.copied_at,
            **restored.held.as_json(),
        },
        "former": str(restored.former) if restored.former is not None else None,
    }


def _signing(clients: Iterable[Client], *strategies: str) -> list[Client]:
    return [client for client in clients if client.strategy in strategies]
