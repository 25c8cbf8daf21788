"""`counterfoil store`: where sessions, accounts and all else are kept, and moving that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.data import alone_in, existing, require_owner
from counterfoil.cli.interruptions import run
from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import tell, tell_json
from counterfoil.cli.progress import counting
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.server.composition import TABLES
from counterfoil.server.settings import Settings
from counterfoil.server.storing import address_of, seal_of, sessions_address_of
from counterfoil.stores.key_files import KeyFiles
from counterfoil.stores.migrations import migrate as bring_up_to_date
from counterfoil.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from counterfoil.server.migrating import Moved

commands = typer.Typer(help="Where a server keeps what it keeps.")

To = Annotated[
    str, typer.Option("--to", metavar="URL", help="postgresql://…, with nothing of Counterfoil's.")
]
SessionsTo = Annotated[
    str,
    typer.Option("--sessions-to", metavar="URL", help="redis://…, for the sessions alone."),
]


def _file(flag: str) -> Any:
    return typer.Option(flag, readable=False, help="A file that says it: it may hold a password.")


ToFile = Annotated[Path | None, _file("--to-file")]
SessionsToFile = Annotated[Path | None, _file("--sessions-to-file")]


@commands.command()
def migrate(
    *,
    to: To = "",
    to_file: ToFile = None,
    sessions_to: SessionsTo = "",
    sessions_to_file: SessionsToFile = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Move what a server keeps, also while servers use it.

    --to moves everything from SQLite to PostgreSQL; --sessions-to moves the sessions alone, from
    either of them, to Redis or Valkey. Nobody is signed out, and a running server goes on there by
    itself. Who writes waits for less than two seconds, once; who reads waits for nothing.
    """
    given = [to, to_file, sessions_to, sessions_to_file]
    if sum(map(bool, given)) != 1:
        raise ConfigurationError("Say where to: --to postgresql://…, or --sessions-to redis://….")
    settings = existing(data)
    require_owner(settings.data)
    with alone_in(settings.data):
        if not address_of(settings):  # as by a server of this version, which brings it up to date
            drive(SqliteStore(settings.database).close())
        if address := to or _read(to_file):
            _move_all(settings, address, as_json=as_json)
        else:
            _move_sessions(settings, sessions_to or _read(sessions_to_file), as_json=as_json)


def _move_all(settings: Settings, address: str, *, as_json: bool) -> None:
    from counterfoil.server.migrating import move
    from counterfoil.stores.sealed_keys import Seal

    if address_of(settings):
        raise ConfigurationError(
            f"Go on with --data {settings.data} as before: what it was served from is kept"
            " elsewhere already."
        )
    if sessions_address_of(settings):
        raise ConfigurationError(
            "Move everything to PostgreSQL first, and the sessions to Redis after that: they are"
            " there already."
        )
    run(lambda: _prepare(address, settings))
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
        tell_json({**_figures(moved), "secret_file": str(secret_file)})
        return
    _tell(moved)
    tell("Servers on this folder go on there by themselves, also when they are started again.")
    tell(f"Give every other node COUNTERFOIL_STORE, and a copy of {secret_file} as")
    tell("COUNTERFOIL_SECRET_FILE: the keys are sealed under it in the database.")
    tell(f"{settings.database} holds what was there until now, and is read no more.")


def _move_sessions(settings: Settings, address: str, *, as_json: bool) -> None:
    try:
        from counterfoil.server.sessions_migrating import move_sessions
    except ImportError:
        raise ConfigurationError("Install counterfoil[redis] and counterfoil[postgres].") from None

    if sessions_address_of(settings):
        raise ConfigurationError("Go on as before: the sessions are kept in Redis already.")
    shared = address_of(settings)
    with counting("Moving", "rows", whole=True) as progress:
        moved = move_sessions(
            settings.database,
            shared,
            address,
            durability=settings.durability,
            progress=progress,
        )
    if as_json:
        tell_json(_figures(moved))
        return
    _tell(moved)
    tell("Servers go on there by themselves, also when they are started again: the database says")
    tell("where the sessions are. COUNTERFOIL_SESSIONS says it too, and comes first.")
    tell("Accounts, clients and keys stay where they were.")


def _figures(moved: Moved) -> dict[str, object]:
    return {"rows": moved.rows, "writers_waited_seconds": round(moved.locked, 3)}


def _tell(moved: Moved) -> None:
    tell(f"Moved {moved.rows:,} rows; writers waited for {moved.locked * 1000:.0f} ms.")


def _read(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"Make {file} readable.") from None


async def _prepare(address: str, settings: Settings) -> None:
    """The tables are made there, and the server is looked at."""
    from counterfoil.stores.postgres import PostgresStore

    store = PostgresStore(address, durability=settings.durability)
    try:
        await bring_up_to_date(store.rows, component="server", package=TABLES)
    finally:
        await store.close()
