"""A PostgreSQL that follows another one, and may take over."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import psycopg

from engines.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME: Final = "standby"
_NOBODY: Final = 65534


@contextlib.contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A copy of the primary that follows it, asynchronously until the primary is told its name."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-postgres-"))
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    standby = PostgresServer(folder, primary.programs)
    source = f"host={primary.folder} user=postgres application_name={NAME}"
    try:
        standby.run("pg_basebackup", "-D", f"{folder}/data", "-R", "-c", "fast", "-d", source)
        standby.start()
        sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        until(lambda: asked(primary, sql) == 1)
        yield standby
    finally:
        standby.kill()
        shutil.rmtree(folder, ignore_errors=True)


def name_standby(primary: PostgresServer) -> None:
    """Has each commit of the primary wait for the standby, from now on."""
    with psycopg.connect(primary.url, autocommit=True) as console:
        console.execute(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({NAME})'")
        console.execute("SELECT pg_reload_conf()")
    sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
    until(lambda: asked(primary, sql) == 1)


def promote(standby: PostgresServer) -> None:
    """Has it take writes."""
    with psycopg.connect(standby.url, autocommit=True) as console:
        console.execute("SELECT pg_promote()")


def both(one: PostgresServer, two: PostgresServer) -> str:
    """The URL of two servers, whichever takes writes."""
    hosts = ",".join(quote(str(each.folder), safe="") for each in (one, two))
    return f"postgresql://postgres@/postgres?host={hosts}&port=5432,5432"


def asked(server: PostgresServer, sql: str) -> object:
    with psycopg.connect(server.url, autocommit=True) as console:
        [(answer,)] = console.execute(sql).fetchall()
        return answer


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)
