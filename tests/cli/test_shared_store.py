"""The commands beside a server whose store is PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import live
from cli.beside import Beside, declares_a_restore, ends_at_once
from cli.terminal import Terminal
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    data = tmp_path_factory.mktemp("shared") / "data"
    with new_schema() as url, live.process(data, store=url) as (site, _):
        yield Beside(site, {"COUNTERFOIL_STORE": url})


def test_commands_see_and_end_what_the_server_keeps(shared: Beside) -> None:
    """A session that is ended here is refused there, at once."""
    assert ends_at_once(shared) == "session_revoked"


def test_keys_are_changed_for_every_node(shared: Beside) -> None:
    """In the database, sealed under the secret that this node has too."""
    active = next(each for each in kids(shared) if each["state"] == "active")
    device = shared.site.person().sign_in("api")
    assert shared.run("keys", "distrust", active["kid"], "--yes").code == 0
    live.until(lambda: device.who().status == 401, patience=5)
    assert shared.site.person().sign_in("api").who().status == 200


def kids(shared: Beside) -> list[dict[str, str]]:

    keys: list[dict[str, str]] = json.loads(shared.run("keys", "list", "--json").out)["keys"]
    return [key for key in keys if (key["algorithm"], key["purpose"]) == ("ES256", "tokens")]


@pytest.mark.parametrize("command", [("backup", "copy.db"), ("restore", "copy.db")])
def test_a_shared_database_is_copied_by_its_own_tools(
    shared: Beside, command: tuple[str, ...]
) -> None:
    """That is said, with what to do once a copy was put back."""
    said = shared.run(*command)
    assert said.code == 2
    assert "pg_dump" in said.err
    assert "restore --declare" in said.err


def test_a_restore_is_declared_for_all_nodes(shared: Beside) -> None:
    """Every session ends, and everybody signs in again."""
    assert declares_a_restore(shared) == 200


def test_the_doctor_looks_into_a_shared_database(shared: Beside) -> None:
    """And finds nothing wrong with this one; with another secret, or none that answers, it does."""
    fine = shared.run("doctor", "--json")
    assert '"level": "wrong"' not in fine.out, fine.out
    assert "opens the keys" in fine.out
    other = shared.site.data / "another"
    other.write_text("walruses knit seven paper anchors\n")
    said = shared.run("doctor", COUNTERFOIL_SECRET_FILE=str(other))
    assert said.code == 1
    assert "same secret file" in said.out
    away = shared.run("doctor", COUNTERFOIL_STORE="postgresql://127.0.0.1:9/nowhere")
    assert "cannot be relied on, or does not answer" in away.out


def test_without_the_address_it_is_said_that_there_is_one(shared: Beside) -> None:
    """Not that there was no server."""
    (shared.site.data / "served.json").write_text('{"is_shared": true}')
    try:
        said = Terminal(shared.site.data.parent)(
            "accounts", "list", "--data", str(shared.site.data)
        )
    finally:
        (shared.site.data / "served.json").unlink()
    assert said.code == 2
    assert "COUNTERFOIL_STORE" in said.err


def test_a_node_without_the_secret_does_not_start(shared: Beside, tmp_path: Path) -> None:
    """It says how to make one, and that every node has the same."""
    data = str(tmp_path / "data")
    said = Terminal(tmp_path)(
        "serve", "--data", data, env={"COUNTERFOIL_STORE": shared.environment["COUNTERFOIL_STORE"]}
    )
    assert said.code == 2
    assert "COUNTERFOIL_SECRET_FILE" in said.err
