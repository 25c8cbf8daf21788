"""The commands beside a server whose sessions are in Valkey, and the doctor's look at it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import live
from cli.beside import Beside, declares_a_restore, ends_at_once
from cli.terminal import Terminal
from counterfoil import Verifier
from counterfoil.cli.data import remember
from counterfoil.server.settings import load
from valkeys import empty_valkey, valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    data = tmp_path_factory.mktemp("apart") / "data"
    with empty_valkey() as url, live.process(data, sessions=url) as (site, _):
        yield Beside(site, {"COUNTERFOIL_SESSIONS": url})


def test_commands_see_and_end_what_the_server_keeps(apart: Beside) -> None:
    """A session that is ended here is refused there, at once."""
    assert ends_at_once(apart) == "session_revoked"


def test_a_command_that_is_not_told_where_the_sessions_are_asks_for_it(apart: Beside) -> None:
    """The database beside it has none, which says nothing."""
    flags = {
        "dev": True,
        "data": apart.site.data,
        "sessions": apart.environment["COUNTERFOIL_SESSIONS"],
    }
    remember(load(flags, environment={}), apart.site.url)  # as `counterfoil serve` does
    said = apart.run("sessions", "list", COUNTERFOIL_SESSIONS="")
    assert said.code == 2
    assert "COUNTERFOIL_SESSIONS" in said.err


@pytest.mark.parametrize("command", [("backup", "copy.db"), ("restore", "copy.db")])
def test_what_is_apart_is_copied_by_its_own_tools(apart: Beside, command: tuple[str, ...]) -> None:
    """That is said, with what to do once a copy was put back."""
    said = apart.run(*command)
    assert said.code == 2
    assert "restore --declare" in said.err


def test_who_follows_the_feed_is_seen_to_have_heard(apart: Beside) -> None:
    """It is the feed of where the sessions are that they follow; the database has one, too."""
    made = json.loads(apart.run("clients", "secret", "partner", "--json").out)
    site = apart.site
    with Verifier(issuer=site.url, audience="api", client=("partner", made["client_secret"])):
        site.person().sign_in("api").sign_out()
        administrator = site.administrator()

        def followers() -> list[bool]:
            told = administrator.call("GET", "/v1/admin/verifiers").json
            assert told["position"]["number"]
            return [each["current"] for each in told["verifiers"]]

        live.until(lambda: followers() == [True], patience=10)


def test_a_restore_is_declared(apart: Beside) -> None:
    """Every session ends, and everybody signs in again."""
    assert declares_a_restore(apart) == 200


def test_the_doctor_looks_at_where_the_sessions_are(apart: Beside) -> None:
    """Whether it answers, and would keep what it acknowledges; no address is told."""
    said = apart.run("doctor")
    assert "Redis answers, and is set to keep what it acknowledges. [sessions]" in flat(said.out)
    with valkey_server(appendfsync="everysec") as weak:
        said = apart.run("doctor", COUNTERFOIL_SESSIONS=weak.url)
        assert "appendfsync to always" in flat(said.out)
        assert str(weak.port) not in said.out
    said = apart.run("doctor", COUNTERFOIL_SESSIONS=weak.url)
    assert "Redis does not answer: ConnectionError. [sessions]" in flat(said.out)


def test_a_server_names_what_it_cannot_keep_sessions_in(tmp_path: Path) -> None:
    """In one sentence, without what is secret in an address."""
    terminal = Terminal(tmp_path)
    for url, sentence in (
        ("memcached://pass@host", "redis://host:6379/0"),
        ("redis://user:hunter2@127.0.0.1:1/0", "Redis does not answer: ConnectionError."),
    ):
        said = terminal("serve", "--dev", "--port", "0", env={"COUNTERFOIL_SESSIONS": url})
        assert said.code != 0
        assert sentence in flat(said.err)
        assert "hunter2" not in said.err + said.out


def flat(text: str) -> str:
    return " ".join(text.split())
