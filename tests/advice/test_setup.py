from __future__ import annotations

import itertools
import json
import shlex
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.recommendation import Advice, advise
from counterfoil.cli.program import program
from counterfoil.stores.sqlite import SqliteStore
from key_reading import read_each_once
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil import Client, Counterfoil, Verifier


@cache
def every_setup() -> list[Advice]:
    """One advice for each text that there is to paste."""
    found: dict[str, Advice] = {}
    names = [question.id for question in QUESTIONS]
    for chosen in itertools.product(*(question.values for question in QUESTIONS)):
        advice = advise(dict(zip(names, chosen, strict=True)))
        made = advice.setup
        found.setdefault("".join((*made.commands, made.python, made.verifying)), advice)
    return list(found.values())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("COUNTERFOIL_DATA", "COUNTERFOIL_STORE"):
        monkeypatch.delenv(name, raising=False)
    read_each_once(monkeypatch)
    (tmp_path / "secret").write_text("the secret that each node is given", encoding="utf-8")
    monkeypatch.setenv("SECRET_FILE", "secret")
    return tmp_path


@pytest.fixture
def shared(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert here
    with new_schema() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield


async def held(advice: Advice, namespace: dict[str, Any]) -> None:
    """The engine of the pasted text has these clients, opens a session of each, and checks it."""
    auth: Counterfoil = namespace["auth"]
    try:
        assert tuple(auth.clients.values()) == advice.setup.clients
        for client in advice.setup.clients:
            opened = await auth.open("user-1", client_id=client.client_id)
            assert (await auth.check(opened.credential.token)).client_id == client.client_id
            assert opened.effective_within <= advice.effective_within
            assert opened.elsewhere_within <= advice.elsewhere_within
    finally:
        await auth.close()


def pasted(text: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(compile(text, "pasted", "exec"), namespace)  # noqa: S102 - what people will paste
    return namespace


def texts(*, of_postgres: bool) -> dict[str, Advice]:
    """Each Python text once."""
    found = {advice.setup.python: advice for advice in every_setup()}
    return {text: found[text] for text in found if ("PostgresStore" in text) is of_postgres}


@pytest.mark.usefixtures("here")
async def test_each_python_text_makes_the_engine_that_it_shows() -> None:
    """On SQLite or without a store: it runs as it stands, and no lag is longer than was told."""
    found = texts(of_postgres=False)
    assert len(found) > 10
    for text, advice in found.items():
        await held(advice, pasted(text))


@pytest.mark.usefixtures("shared")
async def test_each_python_text_for_postgresql_makes_the_engine_that_it_shows() -> None:
    """With keys sealed in the database, as several nodes would share them."""
    found = texts(of_postgres=True)
    assert len(found) > 10
    for text, advice in found.items():
        await held(advice, pasted(text))


def test_each_text_for_a_service_that_checks_makes_a_verifier() -> None:
    """For the audience of the clients. It asks nobody before it is used."""
    found = {advice.setup.verifying: advice for advice in every_setup() if advice.setup.verifying}
    assert len(found) >= 4
    for text, advice in found.items():
        verifier: Verifier = pasted(text)["verifier"]
        assert {client.audience for client in advice.setup.clients} == {verifier.audience}
        verifier.close()


def test_each_command_adds_the_client_that_it_shows(here: Path) -> None:
    """Typed beside a server's data, it registers exactly the client of the Python text."""
    commands = {
        command: client
        for advice in every_setup()
        for command, client in zip(advice.setup.commands, advice.setup.clients, strict=True)
    }
    assert len(commands) > 10
    runner, data = CliRunner(), here / "data"
    (here / "made").mkdir()
    keys = SqliteStore(here / "made" / "counterfoil.db").default_keys()
    keys.signing_keys()
    for command, client in commands.items():
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(here / "made", data)
        name, *arguments = shlex.split(command)
        assert name == "counterfoil"
        said = runner.invoke(program, [*arguments, "--data", str(data), "--json"])
        assert said.exit_code == 0, said.output
        assert_as_told(said.output, client)


def assert_as_told(text: str, client: Client) -> None:
    told = json.loads(text)
    assert told["strategy"] == client.strategy
    assert told["carrier"] == client.carrier
    assert told["audience"] == client.audience
    assert told["manage"] == client.manage
    assert told["access_seconds"] == client.lifetime.access.total_seconds()
    if client.strategy == "hybrid":
        assert told["max_staleness_seconds"] == client.max_staleness.total_seconds()
