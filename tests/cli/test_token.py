from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
import pytest

if TYPE_CHECKING:
    from cli.terminal import Served, Terminal

FOREIGN = jwt.encode(
    {"sub": "\x1b[2J", "exp": 1_000_000_000, "iat": "soon"}, "k" * 32, headers={"kid": "\x1b"}
)


def test_a_token_is_read_from_standard_input_and_not_verified(served: Served) -> None:
    """The header, the claims, the times in words and the size; loudly that nothing was checked."""
    token = served.signed_in(served.registered())["credential"]["token"]
    said = served.terminal("token", "inspect", stdin=f"Bearer {token}\n")
    assert said.code == 0
    assert said.err.startswith("NOT VERIFIED: anybody can write such a text.")
    for word in ('"alg": "ES256"', '"client_id": "api"', "expires in 4 min", "iat       issued "):
        assert word in said.out
    assert f"size      {len(token)} bytes" in said.out
    assert token not in said.out + said.err
    told = json.loads(served.terminal("token", "inspect", "--json", token).out)
    assert (told["verified"], told["claims"]["aud"]) == (False, "api")


def test_a_token_of_somebody_else_cannot_move_the_cursor(terminal: Terminal) -> None:
    """Whatever it says is shown as text, and that we would not take it."""
    said = terminal("token", "inspect", stdin=FOREIGN)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "exp       expired 9" in said.out
    assert "iat       is no time" in said.out
    assert "form      refused by Counterfoil: The token's header lacks alg, or a" in said.out


def test_a_handle_is_shown_without_its_secret(served: Served) -> None:
    """Its parts are the session's id, the generation and how it was made."""
    opened = served.signed_in(served.registered())
    handle = opened["credential"]["refresh_handle"]
    said = served.terminal("token", "inspect", stdin=handle)
    told = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert told["session_id"] == opened["session"]["id"]
    assert told["generation"] == "0"
    assert handle[-30:] not in said.out


@pytest.mark.parametrize(
    "text", ["hunter2-hunter2", "a.b.c", "a.b.c.d.e", "cf_hunter2", "one\ntwo", ""]
)
def test_what_is_no_credential_is_refused_and_not_repeated(terminal: Terminal, text: str) -> None:
    """It may have been a password."""
    said = terminal("token", "inspect", stdin=text)
    assert (said.code, said.out) == (1, "")
    assert "hunter2" not in said.err


def test_a_token_is_verified_with_the_data_folder(served: Served) -> None:
    """The engine's own check, status included: accepted, then revoked, then of no audience."""
    opened = served.signed_in(served.registered())
    token = opened["credential"]["token"]
    said = served.run("token", "verify", stdin=token)
    assert said.code == 0
    assert said.out.startswith("Accepted: a credential of the client api (hybrid).\nsubject  ")
    other = served.run("token", "verify", "--audience", "web", stdin=token)
    assert (other.code, other.out, other.err.partition(":")[0]) == (1, "", "wrong_audience")
    served.run("sessions", "revoke", opened["session"]["id"])
    refused = served.run("token", "verify", stdin=token)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "session_revoked: Sign in again.\n"


def test_a_credential_that_travels_in_a_cookie_is_verified_too(served: Served) -> None:
    """The handle of web is taken from wherever it was copied."""
    sent = {"client_id": "web", "identifier": "demo", "password": served.demo_password}
    cookie = served.call("POST", "/v1/sessions", json=sent).headers["set-cookie"]
    handle = cookie.partition("=")[2].partition(";")[0]
    told = json.loads(served.run("token", "verify", "--json", stdin=handle).out)
    assert (told["client_id"], told["strategy"]) == ("web", "session")


@pytest.mark.parametrize("client", ["partner", "api"])
def test_a_token_is_verified_knowing_only_the_issuer(served: Served, client: str) -> None:
    """As another service does: partner's by public keys, api's by asking the issuer."""
    token = served.signed_in(served.registered(), client)["credential"]["token"]
    asked = ["token", "verify", "--issuer", served.url, "--audience", client]
    said = served.terminal(*asked, stdin=token)
    assert said.code == 0, said.err
    assert said.out.startswith("Accepted: ")
    wrong = served.terminal(*asked[:-1], "other", stdin=token)
    assert (wrong.code, wrong.err.partition(":")[0]) == (1, "wrong_audience")


def test_an_issuer_that_does_not_answer_is_no_refusal(served: Served) -> None:
    """Exit code 3: it cannot be known."""
    token = served.signed_in(served.registered(), "partner")["credential"]["token"]
    asked = ["token", "verify", "--issuer", "http://localhost:1", "--audience", "partner"]
    said = served.terminal(*asked, stdin=token)
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("issuer_unavailable: ")


def test_verify_asks_for_one_place_to_check_in(terminal: Terminal) -> None:
    """Before it reads anything."""
    both = terminal("token", "verify", "--data", "d", "--issuer", "https://auth.example")
    assert (both.code, both.err) == (2, "Choose one of --data and --issuer.\n")
    bare = terminal("token", "verify", "--issuer", "https://auth.example")
    assert (bare.code, bare.err) == (2, "Name the --audience that the token must be for.\n")
