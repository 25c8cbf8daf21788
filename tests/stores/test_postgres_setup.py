"""Which PostgreSQL is taken for a store, and what it has to lose."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.ports import Commit
from counterfoil.stores.postgres import PostgresStore
from counterfoil.testing.records import a_session, found, opened, revoke
from postgresql import new_schema, postgres_server
from standbys import both, name_standby, promote, standby_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def store_at(url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(url).blocking()
    try:
        yield store
    finally:
        drive(store.close())


def answers(store: PostgresStore) -> bool:
    try:
        drive(store.look_up("s-1"))
    except StoreUnavailable:
        return False
    return True


@pytest.mark.parametrize(
    "address", ["app.db", "mysql://host/db", "postgresql://host/db?nonsense=1"]
)
def test_what_is_no_address_of_postgresql_is_refused_without_being_repeated(address: str) -> None:
    """There may be a password in it."""
    with pytest.raises(ConfigurationError, match="postgresql://") as refused:
        PostgresStore(address)
    assert "nonsense" not in str(refused.value)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """It may be there a moment later; the text names nobody."""
    with pytest.raises(StoreUnavailable) as refused:
        PostgresStore("postgresql://somebody:secret@127.0.0.1:9/nowhere")
    assert "somebody" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_server_that_loses_in_a_crash_is_refused() -> None:
    """Unless the operator says that it may."""
    with postgres_server(fsync="off") as server:
        with pytest.raises(ConfigurationError, match=r"fsync = on .*may-lose-on-failover"):
            PostgresStore(server.url)
        store = PostgresStore(server.url, durability="may-lose-on-failover")
        drive(store.close())


def test_a_database_of_another_encoding_is_refused() -> None:
    """It could not hold every text."""
    with postgres_server() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(
                "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
            )
        with pytest.raises(ConfigurationError, match="UTF8"):
            PostgresStore(server.url.replace("/postgres?", "/latin?"))


def test_a_user_who_owns_the_database_and_nothing_else_is_enough() -> None:
    """No right of a superuser is asked for; an address with a password in it is a good one."""
    with postgres_server() as server:
        with psycopg.connect(server.url, autocommit=True) as console:
            console.execute("CREATE ROLE app LOGIN PASSWORD 'p@ss/w:ord'")
            console.execute("CREATE DATABASE app OWNER app")
        address = server.url.replace("postgres@/postgres", "app:p%40ss%2Fw%3Aord@/app")
        with new_schema(address) as url, store_at(url) as store:
            drive(opened(store, a_session()))
            assert drive(revoke(store, "s-1"))
            assert drive(store.sweep(now=a_session().absolute_end)) == 1


def test_each_schema_is_a_store_of_its_own() -> None:
    """Two in one database know nothing of each other, their hints included."""
    with new_schema() as one, new_schema() as two, store_at(one) as first, store_at(two) as second:
        drive(opened(first, a_session()))
        first.wait(first.hint(), 0)
        second.wait(second.hint(), 0.3)
        hint = second.hint()
        assert drive(first.commit(Commit(moves_feed=True)))
        assert drive(second.look_up("s-1")) is None
        second.wait(hint, 0.3)
        assert second.hint() == hint


def test_another_process_is_heard_of() -> None:
    """Within milliseconds, so that its revocations are known here before the next read is due."""
    with new_schema() as url, store_at(url) as here, store_at(url) as there:
        here.wait(here.hint(), 0.3)
        hint = here.hint()
        assert drive(there.commit(Commit(moves_feed=True)))
        assert here.wait(hint, 5)
        assert here.hint() != hint


def test_tables_are_made_once_however_many_begin() -> None:
    """At the same time, on a new database."""
    with new_schema() as url, ThreadPoolExecutor(4) as threads:
        for store in threads.map(PostgresStore, [url] * 4):
            drive(store.close())


def test_it_finds_the_one_of_several_hosts_that_takes_writes() -> None:
    """And finds it again after the other took over, with all that was acknowledged: each commit had
    waited for the standby, which was named."""
    with postgres_server() as primary, standby_of(primary) as standby:
        with pytest.raises(ConfigurationError, match="synchronous_standby_names"):
            PostgresStore(primary.url)
        name_standby(primary)
        with store_at(both(primary, standby)) as store:
            for number in range(50):
                drive(opened(store, a_session(f"s-{number}", subject=f"user-{number}")))
            ended = drive(revoke(store, "s-7"))
            primary.kill()
            with pytest.raises(StoreUnavailable):
                drive(store.look_up("s-1"))
            promote(standby)
            until(lambda: answers(store))
            assert drive(found(store, "s-7")).session == ended
            assert all(drive(store.look_up(f"s-{number}")) for number in range(50))
            drive(revoke(store, "s-8"))
