"""The scratch stores: a file in a temporary folder, or a schema that is dropped at the end. Both
can be taken away from a server that runs, and brought back."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote, urlencode

from counterfoil.cli.compare.passage import HOST, Passage, Place, passage
from counterfoil.errors import ConfigurationError
from counterfoil.server.settings import PREFIX

_BYTES: Final = (
    "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'"
    " AND c.relname LIKE 'cf\\_%%'"
)


class ScratchStore(Protocol):
    """name: for people. environment: for the server. address: of the store itself, past whatever
    can be cut; empty for a file in the server's own folder. taken: how it is taken away, in words.
    """

    name: str
    taken: str
    environment: Mapping[str, str]
    address: str

    def bytes(self, data: Path) -> int:
        """On the disk, with indices; data: the server's folder."""

    def take_away(self, data: Path) -> None: ...
    def bring_back(self, data: Path) -> None: ...


class SqliteFile:
    name = f"SQLite {sqlite3.sqlite_version}, a file in a temporary folder"
    taken = "the file is moved away, which is noticed five times a second"
    environment: Mapping[str, str] = {}
    address = ""

    def bytes(self, data: Path) -> int:
        connection = sqlite3.connect(f"file:{quote(str(_database(data)))}?mode=ro", uri=True)
        try:
            [pages] = connection.execute("PRAGMA page_count").fetchone()
            [size] = connection.execute("PRAGMA page_size").fetchone()
        finally:
            connection.close()
        return int(pages) * int(size)

    def take_away(self, data: Path) -> None:
        _database(data).rename(data / "elsewhere.db")

    def bring_back(self, data: Path) -> None:
        (data / "elsewhere.db").rename(_database(data))


class _Server(NamedTuple):
    """A PostgreSQL that answers. host: its name; place: where it really is."""

    version: str
    host: str
    place: Place


class PostgresSchema:
    taken = "every connection to it is ended, and none is taken"

    def __init__(self, address: str, schema: str, server: _Server, way: Passage) -> None:
        self.name = f"PostgreSQL {server.version}, a schema of its own"
        parameters = {**_parameters(address), "options": _options(address, schema)}
        self.address = _url(parameters)
        # The name of the host stays, for TLS to compare.
        by_way = {"host": server.host, "hostaddr": HOST, "port": way.port}
        self.environment: Mapping[str, str] = {f"{PREFIX}STORE": _url({**parameters, **by_way})}
        self._schema = schema
        self._way = way

    def bytes(self, data: Path) -> int:
        del data
        with _connected(self.address) as connection:
            return int(connection.execute(_BYTES, (self._schema,)).fetchone()[0] or 0)

    def take_away(self, data: Path) -> None:
        del data
        self._way.end()

    def bring_back(self, data: Path) -> None:
        del data
        self._way.heal()


@contextmanager
def scratch_store(address: str | None) -> Iterator[ScratchStore]:
    """A store to measure on. Raises `ConfigurationError` for an address that leads nowhere."""
    if address is None:
        yield SqliteFile()
        return
    schema = f"counterfoil_compare_{secrets.token_hex(6)}"
    with passage() as way:
        try:
            with _connected(address) as connection:
                server = _server(connection)
                way.leads_to = server.place
                connection.execute(f"CREATE SCHEMA {schema}")
            yield PostgresSchema(address, schema, server, way)
        finally:
            with suppress(ConfigurationError), _connected(address) as connection:
                connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def _database(data: Path) -> Path:
    return data / "counterfoil.db"


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        import psycopg

        from counterfoil.stores.postgres_connection import connect, require_address
    except ImportError:
        raise ConfigurationError("Install counterfoil[postgres] for this --store.") from None
    require_address(address)
    try:
        with connect(address, patient=True) as connection:
            yield connection
    except psycopg.Error as why:
        # Its own text may hold the address, and that a password.
        raise ConfigurationError(
            f"Give --store a PostgreSQL that answers and in which a schema can be made:"
            f" {type(why).__name__}."
        ) from None


def _server(connection: Any) -> _Server:
    """Of several hosts the one that takes writes."""
    info = connection.info
    is_unix = info.host.startswith("/")
    return _Server(
        version=connection.execute("SHOW server_version").fetchone()[0].split()[0],
        host=HOST if is_unix else info.host,
        place=f"{info.host}/.s.PGSQL.{info.port}"
        if is_unix
        else (info.hostaddr or info.host, int(info.port)),
    )


def _parameters(address: str) -> dict[str, Any]:
    from psycopg import conninfo

    return dict(conninfo.conninfo_to_dict(address))


def _options(address: str, schema: str) -> str:
    return f"{_parameters(address).get('options') or ''} -c search_path={schema}".strip()


def _url(parameters: Mapping[str, Any]) -> str:
    return f"postgresql:///?{urlencode(parameters, quote_via=quote)}"
