"""A connection that is refused says why in one sentence, which names nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from certificates import certificate
from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.records import a_session, found, opened
from passing_on import port_of
from postgresql import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engines.postgres import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A certificate that is another's."""
    folder = tmp_path / "other"
    folder.mkdir()
    return certificate(folder, host="localhost")[0]


def socket_of(server: PostgresServer) -> Path:
    return server.folder / ".s.PGSQL.5432"


def said(url: str) -> str:
    """The sentence with which a store at this URL is refused."""
    with pytest.raises(StoreUnavailable) as refused:
        PostgresStore(url)
    for name in ("nobody", "nowhere", "secret", "localhost", "127.0.0.1", "/"):
        assert name not in str(refused.value)
    return refused.value.detail


def test_a_server_is_known_by_its_certificate(
    server: PostgresServer, tmp_path: Path, other: Path
) -> None:
    """sslmode=verify-full takes the one that the operator named, at the host that it is for, and
    no other; who cannot say which one it should be is not connected either."""
    trusted, context = certificate(tmp_path, host="localhost")
    with port_of(socket_of(server), context) as port:

        def url(root: Path, host: str = "localhost") -> str:
            place = f"postgresql://postgres@{host}:{port}/postgres"
            return f"{place}?sslmode=verify-full&sslrootcert={root}"

        store = PostgresStore(url(trusted)).blocking()
        drive(opened(store, a_session()))
        assert drive(found(store, "s-1"))
        connection = store.rows.database.open()
        assert connection.pgconn.ssl_in_use
        connection.close()
        drive(store.close())
        assert "signed by none of those in sslrootcert" in said(url(other))
        assert "for another host" in said(url(trusted, host="127.0.0.1"))
        assert "sslrootcert is not there" in said(url(tmp_path / "missing.pem"))
        (tmp_path / "empty.pem").touch()
        assert "holds no certificates" in said(url(tmp_path / "empty.pem"))


def test_a_server_without_tls_is_refused_where_it_is_asked_for(
    server: PostgresServer, other: Path
) -> None:
    """Nothing is sent in clear to whoever says that there is none."""
    with port_of(socket_of(server), None) as port:
        address = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        assert "offers no TLS" in said(f"{address}?sslmode=verify-ca&sslrootcert={other}")


def test_whom_the_server_does_not_let_in_is_told_so(server: PostgresServer) -> None:
    """A wrong password, none, no such user or database: each is mended elsewhere."""
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text("local all postgres trust\nlocal postgres all scram-sha-256\n")
    with psycopg.connect(server.url, autocommit=True) as console:
        console.execute("CREATE ROLE nobody LOGIN PASSWORD 'secret'")
        console.execute("SELECT pg_reload_conf()")
    as_nobody = server.url.replace("postgres@", "nobody@")
    assert "has none" in said(as_nobody)
    assert "user's password" in said(as_nobody.replace("nobody@", "nobody:another-secret@"))
    assert "lets this user in" in said(as_nobody.replace("/postgres?", "/nowhere?"))
    assert "no database of that name" in said(server.url.replace("/postgres?", "/nowhere?"))
