from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import jwt
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.terminal import Said, Served, Terminal


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def active(run: Callable[..., Said], algorithm: str) -> str:
    """The kid that signs."""
    keys = json.loads(run("keys", "list", "--json").out)["keys"]
    return next(
        str(key["kid"]) for key in keys if (key["algorithm"], key["state"]) == (algorithm, "active")
    )


def trail(served: Served) -> list[tuple[str, str]]:
    token = served.signed_in("demo", "api", served.demo_password)["credential"]["token"]
    lines = served.call("GET", "/v1/admin/events", token=token).json()["events"]
    return [(line["kind"], *line["detail"].values()) for line in lines if line["detail"]]


def client_of(served: Served, algorithm: str) -> str:
    """A client whose tokens are signed so."""
    name = f"signed-{algorithm.lower()}"
    served.run("clients", "add", name, "--strategy", "jwt", "--algorithm", algorithm)
    served.soon("", "", within=1.1)
    return name


def test_keys_rotate_beside_a_running_server(served: Served) -> None:
    """New tokens carry the new kid, those of the former stay good, the trail says so; a second
    rotation is refused until verifiers have had time to learn of the next key."""
    name, client = served.registered(), client_of(served, "RS256")
    old = served.signed_in(name, client)["credential"]["token"]
    said = served.run("keys", "rotate", "RS256")
    assert said.code == 0
    new = served.signed_in(name, client)["credential"]["token"]
    assert kid_of(new) != kid_of(old)
    assert said.out.startswith(f"RS256 tokens are signed with {kid_of(new)}: effective at once.")
    assert [served.code(token) for token in (old, new)] == ["accepted", "accepted"]
    assert ("key_rotated", "RS256") in trail(served)
    early = served.run("keys", "rotate", "RS256")
    assert (early.code, early.out) == (1, "")
    assert early.err.startswith("key_too_new: The next key is not known to every verifier yet.")
    assert re.search(r"\(available_at: 20[^)]*, in 14 min\)\n$", early.err)
    assert kid_of(served.signed_in(name, client)["credential"]["token"]) == kid_of(new)


def test_a_distrusted_key_is_refused_beside_a_running_server(served: Served) -> None:
    """The command says first what it will do; old tokens are refused, and a refresh brings one
    that another key has signed. Once more changes nothing."""
    name, client = served.registered(), client_of(served, "EdDSA")
    credential = served.signed_in(name, client)["credential"]
    kid = kid_of(credential["token"])
    said = served.run("keys", "distrust", kid, "--yes")
    assert said.code == 0
    assert said.err.startswith(f"{kid} is the active EdDSA key for tokens.\nEvery token that it")
    assert said.out.startswith(f"{kid} is distrusted: effective at this server within 1 s, at")
    assert served.soon(credential["token"], "key_unknown", within=1)
    assert served.code(served.refreshed(credential)) == "accepted"
    assert ("key_distrusted", kid) in trail(served)
    again = served.run("keys", "distrust", kid)
    assert (again.code, again.out) == (0, f"{kid} was distrusted already. Nothing was changed.\n")


def test_distrusting_is_asked_about(beside: Callable[..., Said], terminal: Terminal) -> None:
    """A no on the terminal changes nothing; without one --yes must be given."""
    kid = active(beside, "ES256")
    said = beside("keys", "distrust", kid)
    assert said.code == 2
    assert said.err.endswith("Add --yes: there is no terminal to ask on.\n")
    command = ["keys", "distrust", kid, "--data", "data"]
    assert terminal.typing(*command, keys=[("Distrust it? [y/N]: ", "n\n")]).code == 1
    assert active(beside, "ES256") == kid
    assert terminal.typing(*command, keys=[("Distrust it? [y/N]: ", "y\n")]).code == 0
    assert active(beside, "ES256") != kid


def test_keys_are_listed_without_their_secrets(beside: Callable[..., Said]) -> None:
    """One active and one next of each algorithm."""
    said = beside("keys", "list")
    states = [tuple(line.split()[1:4]) for line in said.out.splitlines()[1:]]
    assert states == [
        (algorithm, "tokens", state)
        for algorithm in ("ES256", "RS256", "EdDSA")
        for state in ("active", "next")
    ]
    told = json.loads(beside("keys", "list", "--json").out)["keys"]
    assert not {"jwk", "material", "d"} & set(told[0])


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["rotate", "HS256"], 2, "'HS256' is not one of 'ES256', 'RS256', 'EdDSA'"),
        (["distrust", "nothing", "--yes"], 1, "not_found: There is no key with this kid."),
    ],
)
def test_a_key_that_is_not_there_is_refused(
    beside: Callable[..., Said], arguments: list[str], code: int, word: str
) -> None:
    """With a code, and nothing changed."""
    said = beside("keys", *arguments)
    assert (said.code, said.out) == (code, "")
    assert word in said.err
