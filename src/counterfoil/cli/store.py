"""`counterfoil store`: where sessions, accounts and all else are kept, and moving that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.data import existing, require_owner
from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import tell, tell_json
from counterfoil.cli.progress import counting
from counterfoil.errors import ConfigurationError
from counterfoil.server.composition import TABLES
from counterfoil.server.settings import Settings
from counterfoil.server.storing import address_of, seal_of
from counterfoil.stores.key_files import KeyFiles
from counterfoil.stores.migrations import migrate as bring_up_to_date

commands = typer.Typer(help="Where a server keeps what it keeps.")

To = Annotated[
    str, typer.Option("--to", metavar="URL", help="postgresql://…, with nothing of Counterfoil's.")
]
ToFile = Annotated[
    Path | None,
    typer.Option(
        "--to-file", readable=False, help="A file that says it, for a URL with a password."
    ),
]


@commands.command()
def migrate(
    *, to: To = "", to_file: ToFile = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Move everything from SQLite to PostgreSQL, also while a server uses it.

    Nobody is signed out, and a running server goes on there by itself. Who writes waits for less
    than two seconds, once; who reads waits for nothing.
    """
    from counterfoil.server.migrating import move
    from counterfoil.stores.sealed_keys import Seal

    settings = existing(data)
    if address_of(settings):
        raise ConfigurationError(
            f"Go on with --data {settings.data} as before: what it was served from is kept"
            " elsewhere already."
        )
    require_owner(settings.data)
    address = _address(to, to_file)
    asyncio.run(_prepare(address, settings))
    secret_file = seal_of(settings, makes=True)
    seal, keys = Seal.in_file(secret_file), KeyFiles(settings.data / "keys")
    keys.signing_keys()
    keys.handle_secrets()
    with counting("Moving", "rows", whole=True) as progress:
        moved = move(
            settings.database,
            address,
            seal=lambda: [(name, seal.close(name, text)) for name, text in keys.contents()],
            progress=progress,
        )
    if as_json:
        tell_json(
            {
                "rows": moved.rows,
                "writers_waited_seconds": round(moved.locked, 3),
                "secret_file": str(secret_file),
            }
        )
        return
    tell(f"Moved {moved.rows:,} rows; writers waited for {moved.locked * 1000:.0f} ms.")
    tell("Servers on this folder go on there by themselves, also when they are started again.")
    tell(f"Give every other node COUNTERFOIL_STORE, and a copy of {secret_file} as")
    tell("COUNTERFOIL_SECRET_FILE: the keys are sealed under it in the database.")
    tell(f"{settings.database} holds what was there until now, and is read no more.")


def _address(to: str, to_file: Path | None) -> str:
    if bool(to) == bool(to_file):
        raise ConfigurationError("Say where to: --to postgresql://…, or --to-file.")
    if to_file is None:
        return to
    try:
        return to_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"Make {to_file} readable.") from None


async def _prepare(address: str, settings: Settings) -> None:
    """The tables are made there, and the server is looked at."""
    from counterfoil.stores.postgres import PostgresStore

    store = PostgresStore(address, durability=settings.durability)
    try:
        await bring_up_to_date(store.rows, component="server", package=TABLES)
    finally:
        await store.close()
