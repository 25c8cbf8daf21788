"""What a database holds, in one line: of a copy, before it is put anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from counterfoil.cli.words import counted
from counterfoil.errors import ConfigurationError
from counterfoil.stores.sqlite_copies import opened
from counterfoil.stores.statements.records import micros, moment_or_none

_LIVE: Final = (
    "SELECT count(*) FROM cf_sessions"
    " WHERE ended_at IS NULL AND absolute_end > ? AND last_seen_at + idle > ?"
)


@dataclass(frozen=True, slots=True)
class Holdings:
    """copied_at: when it was copied, if it is a copy that says so."""

    bytes: int
    accounts: int
    live_sessions: int
    clients: int
    epoch: str
    number: int
    copied_at: datetime | None

    def __str__(self) -> str:
        return (
            f"{counted(self.accounts, 'account')}, {counted(self.live_sessions, 'live session')}"
            f" and {counted(self.clients, 'client')}"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "bytes": self.bytes,
            "accounts": self.accounts,
            "live_sessions": self.live_sessions,
            "clients": self.clients,
            "position": {"epoch": self.epoch, "number": self.number},
        }


def holdings(database: Path, *, now: datetime) -> Holdings:
    """Raises `ConfigurationError` for a database that is not Counterfoil's."""
    with opened(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not {"cf_feed", "cf_sessions"} <= tables:
            raise ConfigurationError(f"{database} is no database of Counterfoil's.")

        def one(sql: str, *values: int, of: str = "cf_feed") -> Any:
            """Of a table that may not be there yet: a version before this one has written it."""
            return connection.execute(sql, values).fetchone()[0] if of in tables else None

        return Holdings(
            bytes=database.stat().st_size,
            accounts=one("SELECT count(*) FROM accounts", of="accounts") or 0,
            live_sessions=one(_LIVE, micros(now), micros(now)),
            clients=one("SELECT count(*) FROM registered_clients", of="registered_clients") or 0,
            epoch=one("SELECT epoch FROM cf_feed"),
            number=one("SELECT number FROM cf_feed"),
            copied_at=moment_or_none(one("SELECT max(made_at) FROM cf_backup", of="cf_backup")),
        )
