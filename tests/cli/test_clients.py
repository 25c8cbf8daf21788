from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.terminal import Said, Served, Terminal


def test_a_running_server_knows_a_new_client_within_a_second(served: Served) -> None:
    """Added from the command line, signed in to at once, with the lifetime it was given."""
    name = served.registered()
    added = served.run(
        *("clients", "add", "backend", "--strategy", "jwt", "--algorithm", "EdDSA"),
        *("--audience", "https://backend.example", "--typ", "JWT", "--access-lifetime", "90s"),
    )
    assert added.code == 0
    assert added.out.startswith("Added backend: jwt, by bearer, for the audience https://backend.")
    served.soon("", "", within=1.1)
    opened = served.signed_in(name, "backend")
    assert 80 <= opened["elsewhere_within_seconds"] <= 90
    assert served.code(opened["credential"]["token"]) == "accepted"


def test_clients_are_listed_with_what_is_their_own(beside: Callable[..., Said]) -> None:
    """A client without lifetimes of its own follows the server's, which only the server knows."""
    beside("clients", "add", "web", "--strategy", "session", "--manage")
    beside("clients", "add", "api", "--strategy", "hybrid", "--max-staleness", "3s")
    beside("clients", "add", "own", "--strategy", "jwt", "--access-lifetime", "10m")
    told = {
        each["client_id"]: each
        for each in json.loads(beside("clients", "list", "--json").out)["clients"]
    }
    assert list(told) == ["web", "api", "own"]
    assert (told["web"]["carrier"], told["web"]["manage"]) == ("cookie", True)
    assert (told["api"]["max_staleness_seconds"], told["api"]["own_lifetimes"]) == (3, False)
    assert (told["own"]["access_seconds"], told["own"]["idle_seconds"]) == (600, 604800)
    lines = beside("clients", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["CLIENT_ID", "web", "api", "own"]
    assert " server's " in lines[2]
    assert " 10 min " in lines[3]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["X", "--strategy", "jwt"], 2, "Give client_id 1 to 32 of a-z, 0-9, _ and -."),
        (
            ["x", "--strategy", "hybrid", "--max-staleness", "2m"],
            2,
            "Set max_staleness between 1 and 60 seconds.",
        ),
        (
            ["x", "--strategy", "jwt", "--access-lifetime", "soon"],
            2,
            "Write a SPAN as seconds, or as 10s, 5m, 12h or 30d.",
        ),
        (
            ["taken", "--strategy", "jwt"],
            1,
            "identifier_taken: There is a client of this client_id. Choose another identifier.",
        ),
    ],
)
def test_a_client_that_cannot_work_is_not_added(
    beside: Callable[..., Said], arguments: list[str], code: int, sentence: str
) -> None:
    """One sentence says what to change."""
    beside("clients", "add", "taken", "--strategy", "session")
    said = beside("clients", "add", *arguments)
    assert (said.code, said.out, said.err) == (code, "", f"{sentence}\n")


def test_a_secret_is_told_once_and_alone(beside: Callable[..., Said]) -> None:
    """On standard output there is nothing else, so that it can go into a file unseen."""
    beside("clients", "add", "api", "--strategy", "hybrid")
    said = beside("clients", "secret", "api")
    assert (said.code, said.err) == (0, "The secret is shown only now, and good at once:\n")
    assert re.fullmatch(r"cfs_[A-Za-z0-9_-]{43}\n", said.out)
    listed = beside("clients", "list", "--json").out
    assert said.out.strip() not in listed
    assert len(json.loads(listed)["clients"][0]["secrets_made_at"]) == 1
    assert beside("clients", "list").out.splitlines()[1].split()[-1] == "1"


def test_secrets_are_changed_one_after_the_other(beside: Callable[..., Said]) -> None:
    """Two are good while programs change over; a third is refused until one is revoked."""
    added = json.loads(
        beside("clients", "add", "api", "--strategy", "jwt", "--secret", "--json").out
    )
    made = json.loads(beside("clients", "secret", "api", "--json").out)
    assert made["client_secret"] != added["client_secret"]
    said = beside("clients", "secret", "api")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("malformed: This client has two secrets: revoke the former one")
    for which, sentence in (("former", "1 secret"), ("former", "0 secrets"), ("all", "1 secret")):
        told = beside("clients", "secret", "api", "--revoke", which)
        assert told.out == f"Revoked {sentence} of api: effective at once.\n"
    assert json.loads(beside("clients", "secret", "api", "--revoke", "all", "--json").out) == {
        "client_id": "api",
        "revoked": 0,
    }


def test_a_secret_that_was_revoked_is_missed_in_an_older_copy(
    beside: Callable[..., Said], terminal: Terminal
) -> None:
    """There it would be good again: so its end counts as what moves the feed."""
    witness = terminal.folder / "data" / "keys"

    def numbers() -> list[int]:
        return [int(file.read_text().split()[0]) for file in witness.glob("witness-*")]

    beside("clients", "add", "api", "--strategy", "jwt", "--secret")
    for expected in ([1], [1]):
        beside("clients", "secret", "api", "--revoke", "all")
        assert numbers() == expected


def test_a_client_is_added_with_its_secret(beside: Callable[..., Said]) -> None:
    """In one go; without asking there is none."""
    said = beside("clients", "add", "api", "--strategy", "jwt", "--secret")
    assert said.out.splitlines()[0].startswith("Added api: jwt")
    assert said.out.splitlines()[1].startswith("cfs_")
    assert "cfs_" not in beside("clients", "add", "web", "--strategy", "session").out


def test_nobody_has_a_secret_who_is_no_client(beside: Callable[..., Said]) -> None:
    """A typing error must not look like success."""
    for more in ((), ("--revoke", "all")):
        said = beside("clients", "secret", "nobody", *more)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("client_unknown: ")
