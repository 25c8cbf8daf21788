"""A store that nodes share: whether it can be reached and relied on, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from counterfoil.cli.doctor import registered
from counterfoil.cli.doctor.configured import Setup
from counterfoil.cli.doctor.database import current
from counterfoil.cli.doctor.finding import Finding, ok, unseen, wrong
from counterfoil.cli.doctor.keys import enough
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.errors import CounterfoilError
from counterfoil.server.settings import Settings
from counterfoil.stores.rows import Rows

_RECORDED = "SELECT component, number, checksum FROM cf_migrations"
_SEALED = "SELECT name, sealed FROM cf_keys"


def findings(
    setup: Setup, settings: Settings, address: str, *, is_apart: bool
) -> Iterator[Finding]:
    """Nothing is changed there, and no table is made."""
    try:
        with _rows(settings, address) as rows:
            yield ok("store", "The database answers, and is set to keep what it acknowledges.")
            yield from _of_rows(rows, setup, settings, is_apart=is_apart)
    except CounterfoilError as why:
        mend = why.detail if why.code == "configuration" else "Start it, or correct its URL."
        yield wrong("store", "The database cannot be relied on, or does not answer.", mend)
        yield unseen("clients", "Clients, accounts and keys: they are in the database.")


@contextmanager
def _rows(settings: Settings, address: str) -> Iterator[Rows]:
    from counterfoil.stores.postgres_database import Database
    from counterfoil.stores.postgres_rows import BlockingPostgresRows
    from counterfoil.stores.postgres_setup import require_fit

    database = Database(address)
    try:
        database.patiently(lambda connection: require_fit(connection, settings.durability))
        yield BlockingPostgresRows(database, "work")
    finally:
        database.close()


def _of_rows(rows: Rows, setup: Setup, settings: Settings, *, is_apart: bool) -> Iterator[Finding]:
    if drive(rows.one("SELECT to_regclass('cf_migrations') IS NULL")) == (True,):
        mend = "Start counterfoil serve, which makes them."
        yield wrong("database-current", "The database has none of Counterfoil's tables.", mend)
        return
    found = current({(row[0], row[1]): row[2] for row in drive(rows.all(_RECORDED))}, rows.dialect)
    yield found
    if found.level != "ok":
        return
    clients, unusable = registered.clients_of(rows, setup.lifetime)
    yield from unusable or registered.of_clients(clients, setup.issuer, rows)
    yield from registered.of_accounts(rows, is_apart=is_apart)
    yield from _of_keys(rows, settings, clients)


def _of_keys(rows: Rows, settings: Settings, clients: list[Client]) -> Iterator[Finding]:
    from counterfoil.keys import SigningKeySet
    from counterfoil.stores.sealed_keys import Seal

    place = settings.secret_file or Path(settings.data / "seal")
    try:
        seal = Seal.in_file(place)
        opened = {name: seal.open(name, sealed) for name, sealed in drive(rows.all(_SEALED))}
    except CounterfoilError as why:
        yield wrong("signing-keys", "This node cannot open the keys.", why.detail)
        return
    if "signing keys" not in opened:
        yield ok("signing-keys", "A server makes the keys when it first needs them.")
        return
    yield ok("signing-keys", "This node's secret opens the keys in the database.")
    yield from enough(SigningKeySet.from_json(opened["signing keys"]), clients)
