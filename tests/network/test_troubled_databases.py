"""A server whose PostgreSQL takes no writes, has no room, or is late: 503, never 401, and no answer
that has to be taken back."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import psycopg

import live
from passing_on import Delay, port_of
from postgresql import postgres_server
from small_disks import small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY: Final = 60  # people who sign in; enough for what room was left


@contextmanager
def served(url: str, folder: Path) -> Iterator[live.Site]:
    secret = folder / "secret"
    secret.write_text("the secret that each node is given\n")
    with live.process(folder / "data", store=url, secret_file=str(secret)) as (site, _):
        yield site


def is_unavailable(answer: live.Answer) -> bool:
    """Whether it says that it cannot know, as it has to; else it was done."""
    if answer.status != 503:
        assert answer.status in {200, 201}, answer
        return False
    assert answer.code == "store_unavailable"
    assert int(answer.header("retry-after") or 0) >= 1
    return True


def test_a_database_that_takes_no_writes_is_503(tmp_path: Path) -> None:
    """As a standby is one. What writes is refused; what reads is either answered, by a connection
    that was there before, or refused, and never a 401. All goes on by itself afterwards."""
    with postgres_server() as database, served(database.url, tmp_path) as site:
        phone, other = site.person().sign_in("phone"), site.person().sign_in("phone")
        set_read_only(database.url, "on")
        try:
            live.until(lambda: is_unavailable(other.sign_out()), patience=10)
            for _ in range(10):
                is_unavailable(phone.who())
                assert is_unavailable(phone.person.try_sign_in("phone"))
                assert is_unavailable(other.sign_out())
        finally:
            set_read_only(database.url, "off")
        live.until(lambda: phone.who().status == 200, patience=10)
        live.until(lambda: other.sign_out().status == 200, patience=10)
        assert phone.person.sign_in("phone").who().status == 200


def test_a_full_disk_is_503_for_what_writes(tmp_path: Path) -> None:
    """Who is signed in goes on, and who could not be signed out is not told so. What was
    acknowledged holds when there is room again."""
    with small_disk() as disk, served(disk.server.url, tmp_path) as site:
        people = [site.person() for _ in range(MANY)]
        phone = site.person().sign_in("phone")
        with disk.full():
            tried = [person.try_sign_in("phone") for person in people]
            refused = [is_unavailable(answer) for answer in tried]
            assert any(refused)
            assert phone.who().status == 200
            ends = phone.sign_out()
            assert is_unavailable(ends) == (phone.who().status == 200)
        tokens = [a.json["credential"]["token"] for a in tried if a.status == 201]
        for token in tokens:
            headers = {"Authorization": f"Bearer {token}"}
            assert site.call("GET", "/v1/session", headers=headers).status == 200
        live.until(lambda: phone.sign_out().status == 200, patience=10)
        assert phone.who().code == "session_revoked"
        assert all(person.sign_in("phone") for person in people)


def test_a_late_database_is_waited_for_and_one_that_is_too_late_is_503(tmp_path: Path) -> None:
    """By then nobody waits any more: once that it is away, all are told at once."""
    delay = Delay()
    with ExitStack() as kept:
        database = kept.enter_context(postgres_server())
        socket = database.folder / ".s.PGSQL.5432"
        port = kept.enter_context(port_of(socket, None, delay))
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        site = kept.enter_context(served(url, tmp_path))
        phone, other = site.person().sign_in("phone"), site.person().sign_in("phone")
        delay.seconds = 0.2
        assert phone.who().status == 200
        assert phone.person.sign_in("phone").who().status == 200
        delay.seconds = 30.0
        assert is_unavailable(other.sign_out())
        live.until(lambda: is_unavailable(phone.who()), patience=10)
        began = time.monotonic()
        for _ in range(20):
            assert is_unavailable(phone.who())
        assert time.monotonic() - began < 15
        delay.seconds = 0.0
        live.until(lambda: phone.who().status == 200, patience=15)
        assert other.sign_out().status == 200
        assert other.who().code == "session_revoked"


def set_read_only(url: str, value: str) -> None:
    with psycopg.connect(url, autocommit=True) as console:
        console.execute("SET default_transaction_read_only = off")
        console.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        console.execute("SELECT pg_reload_conf()")
