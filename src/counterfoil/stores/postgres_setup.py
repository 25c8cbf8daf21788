"""What a PostgreSQL server must be and do, looked at before anything is kept there.

An acknowledged revocation may not be lost: not when the server crashes, and not when a standby
takes over. What can be asked of the server is asked; what cannot, how an old primary is kept from
taking writes for example, is said in docs/stores.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from counterfoil.stores.durability import Durability
    from counterfoil.stores.postgres_connection import Connection
    from counterfoil.stores.postgres_database import Database

OLDEST: Final = 140_000
_SETTINGS: Final = (
    "SELECT name, setting FROM pg_settings WHERE name IN ('server_version_num', 'server_encoding',"
    " 'fsync', 'full_page_writes', 'synchronous_standby_names')"
)
# Others than superusers see who replicates only as members of pg_monitor.
_ASYNCHRONOUS: Final = (
    "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'async'"
)
_HAS_MIGRATIONS: Final = "SELECT to_regclass('cf_migrations') IS NOT NULL"
_MIGRATIONS: Final = (
    "CREATE TABLE IF NOT EXISTS cf_migrations (component TEXT NOT NULL, number BIGINT NOT NULL,"
    " checksum TEXT NOT NULL, PRIMARY KEY (component, number))"
)
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('counterfoil tables', 0))"


def prepare(database: Database, durability: Durability = "durable") -> None:
    """Looks at the server, and makes the table that tells which migrations were applied. Raises
    `ConfigurationError` for what sessions cannot be kept on, and `StoreUnavailable`."""
    database.patiently(lambda connection: _prepare(connection, durability))


def require_fit(connection: Connection, durability: Durability) -> None:
    """Raises `ConfigurationError` for a server on which sessions cannot be kept."""
    settings = dict(connection.execute(_SETTINGS).fetchall())
    if int(settings["server_version_num"]) < OLDEST:
        raise ConfigurationError("Give PostgresStore a server of PostgreSQL 14 or newer.")
    if settings["server_encoding"] != "UTF8":
        raise ConfigurationError("Give PostgresStore a database whose encoding is UTF8.")
    if durability == "durable":
        _require_durable(connection, settings)


def _prepare(connection: Connection, durability: Durability) -> None:
    require_fit(connection, durability)
    [(has_migrations,)] = connection.execute(_HAS_MIGRATIONS).fetchall()
    if not has_migrations:
        with connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            connection.execute(_MIGRATIONS)


def _require_durable(connection: Connection, settings: dict[str, str]) -> None:
    weak = 'or say durability="may-lose-on-failover" and have every answer say it too.'
    for name in ("fsync", "full_page_writes"):
        if settings[name] != "on":
            raise ConfigurationError(f"Set {name} = on in PostgreSQL: a crash loses, {weak}")
    [(asynchronous,)] = connection.execute(_ASYNCHRONOUS).fetchall()
    if asynchronous and not settings["synchronous_standby_names"].strip():
        raise ConfigurationError(
            "Set synchronous_standby_names in PostgreSQL: a standby follows late, and what was"
            f" acknowledged is lost where it takes over; {weak}"
        )
