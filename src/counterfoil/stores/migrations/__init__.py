"""Numbered migrations: files `0001_words.sql` of a package, applied in order, once, and recorded.

A component has its own numbers, so that the server can keep tables of its own beside the store's.

Nodes are upgraded one after the other, and the first one that starts brings the tables up to date.
So a migration leaves tables that the version before can go on with, unless it says otherwise: then
that version refuses them, and all nodes are stopped first.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from counterfoil.stores.rows import Reading, Rows, Transaction

STORE: Final = "counterfoil.stores.migrations"
_MIGRATING: Final = "migrations"  # the lock's name
# The first line of a migration after which older versions cannot go on.
BREAKING: Final = "-- Breaking: older versions cannot use these tables."
_BREAKS: Final = "breaking "  # before its checksum, so that those know
_END: Final = re.compile(r";[ \t]*(?:--.*)?$", re.MULTILINE)
# The table may have been moved elsewhere. PostgreSQL knows the words, SQLite does not.
_IF_EXISTS: Final = re.compile(r"\bALTER TABLE (IF EXISTS )(\w+)")
_NAMED: Final = re.compile(r"(\d{4})_\w+\.sql")
_RECORDED: Final = "SELECT number, checksum FROM cf_migrations WHERE component = ?"
_IS_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
_RECORD: Final = "INSERT INTO cf_migrations (component, number, checksum) VALUES (?, ?, ?)"


class Migration(NamedTuple):
    """One file. A statement ends where a line ends with `;`, or with that and a comment."""

    number: int
    text: str

    @property
    def checksum(self) -> str:
        """What is recorded of it."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return f"{_BREAKS}{digest}" if self.text.startswith(BREAKING) else digest

    @property
    def statements(self) -> list[str]:
        return [part for part in _END.split(self.text) if part.strip()]


async def migrate(rows: Rows, *, component: str = "store", package: str = STORE) -> None:
    """Brings a component's tables up to date; each migration is applied whole or not at all.
    package: has a package of its own for each dialect.

    Safe when several processes start at once. Raises `ConfigurationError` for a database that a
    newer version has changed so that this one cannot use it, or that was made by other migrations
    of the same number.
    """
    known = migrations_in(f"{package}.{rows.dialect}")
    recorded = await _recorded(rows, component)
    _require_known(component, known, recorded)
    for migration in known:
        if migration.number not in recorded:
            await rows.transaction(
                partial(_apply, rows.dialect, component, migration), patient=True
            )


def migrations_in(package: str) -> list[Migration]:
    """The migrations of a package, in order."""
    named = ((_NAMED.fullmatch(file.name), file) for file in files(package).iterdir())
    return sorted(
        Migration(int(match[1]), file.read_text(encoding="utf-8")) for match, file in named if match
    )


def is_breaking(checksum: str) -> bool:
    """Whether what was recorded under this is more than an older version can go on with."""
    return checksum.startswith(_BREAKS)


def _require_known(component: str, known: list[Migration], recorded: dict[int, str]) -> None:
    checksums = {migration.number: migration.checksum for migration in known}
    for number, checksum in sorted(recorded.items()):
        if number not in checksums:
            if not is_breaking(checksum):
                continue
            raise ConfigurationError(
                f"Install a newer Counterfoil: this database has migration {number} of"
                f" {component}, which this version does not know."
            )
        if checksum != checksums[number]:
            raise ConfigurationError(
                f"Install the Counterfoil that made this database: its migration {number} of"
                f" {component} differs from this version's."
            )


async def _recorded(reading: Reading, component: str) -> dict[int, str]:
    recorded = await reading.all(_RECORDED, (component,))
    return {row[0]: row[1] for row in recorded}


async def _apply(
    dialect: str, component: str, migration: Migration, transaction: Transaction
) -> None:
    await transaction.lock(_MIGRATING)
    recorded = await _recorded(transaction, component)
    if migration.number in recorded:
        _require_known(component, [migration], {migration.number: recorded[migration.number]})
        return
    for statement in migration.statements:
        if dialect == "sqlite":
            await _run_in_sqlite(statement, transaction)
        else:
            await transaction.run(statement)
    await transaction.run(_RECORD, (component, migration.number, migration.checksum))


async def _run_in_sqlite(statement: str, transaction: Transaction) -> None:
    found = _IF_EXISTS.search(statement)
    if found is None:
        await transaction.run(statement)
    elif await transaction.one(_IS_TABLE, (found[2],)) is not None:
        await transaction.run(statement[: found.start(1)] + statement[found.end(1) :])
