from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.terminal import Said, Served, Terminal


def test_a_session_revoked_beside_a_running_server_is_refused_within_the_bound(
    served: Served,
) -> None:
    """The token works, the command ends its session and says both bounds, and the next call is
    answered session_revoked; a repeat says when it was."""
    name = served.registered()
    opened = served.signed_in(name)
    token, session_id = opened["credential"]["token"], opened["session"]["id"]
    assert served.code(token) == "accepted"
    said = served.run("sessions", "revoke", session_id)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Ended 1 session: effective within 10 s, elsewhere within ")
    assert served.soon(token, "session_revoked", within=10)
    again = served.run("sessions", "revoke", session_id)
    assert again.code == 0
    assert again.out.startswith("Ended nothing: it had ended at 20")


def test_a_session_of_web_is_refused_at_once(served: Served) -> None:
    """Where the record is read at every check, the bound is nothing."""
    opened = served.signed_in(served.registered(), "web")
    said = served.run("sessions", "revoke", opened["session"]["id"], "--json")
    answer = json.loads(said.out)
    assert answer["revoked"] == 1
    assert (answer["effective_within_seconds"], answer["elsewhere_within_seconds"]) == (0, 0)


def test_sessions_are_listed_as_the_api_lists_them(served: Served) -> None:
    """By account, by subject and by client, newest first; ended ones with --all."""
    name = served.registered()
    old, new = (served.signed_in(name, client)["session"] for client in ("api", "partner"))

    def ids(*options: str) -> list[str]:
        told = json.loads(served.run("sessions", "list", "--json", *options).out)
        return [each["id"] for each in told["sessions"]]

    assert ids("--identifier", name) == [new["id"], old["id"]]
    assert ids("--subject", old["subject"], "--client", "api") == [old["id"]]
    assert ids("--identifier", name, "--limit", "1") == [new["id"]]
    assert ids("--identifier", name, "--before", new["id"]) == [old["id"]]
    served.run("sessions", "revoke", new["id"])
    assert ids("--identifier", name) == [old["id"]]
    told = served.run("sessions", "list", "--identifier", name, "--all").out
    assert f"{new['id']}  {name}" in told
    assert "(revoked_by_administrator)" in told


def test_a_session_is_shown_without_any_secret(served: Served) -> None:
    """Who, where, from where, since when, until when; no handle and no digest of one."""
    opened = served.signed_in(served.registered())
    said = served.run("sessions", "show", opened["session"]["id"])
    told = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert told["client_id"] == "api"
    assert told["expires_at"].endswith("(in 6 days)")
    assert told["ended_at"] == "-"
    shown = json.loads(served.run("sessions", "show", opened["session"]["id"], "--json").out)
    assert shown["subject"] == opened["session"]["subject"]
    assert shown["address"] == "127.0.0.1"
    assert not {name for name in shown if "handle" in name or "digest" in name}


def test_all_sessions_of_an_account_end_together(served: Served) -> None:
    """--identifier and --subject mean the same person; once more ends nothing, and says so."""
    name = served.registered()
    tokens = [served.signed_in(name)["credential"]["token"] for _ in range(2)]
    said = served.run("sessions", "revoke", "--identifier", name)
    assert said.out.startswith("Ended 2 sessions: effective within 10 s, elsewhere within ")
    assert all(served.soon(token, "session_revoked", within=10) for token in tokens)
    again = served.run("sessions", "revoke", "--identifier", name)
    assert again.code == 0
    assert again.out.startswith("Ended nothing: no session was live (effective within ")


def test_all_sessions_of_a_client_end_together(served: Served) -> None:
    """The longest bound of any of them is what is promised."""
    assert served.run("clients", "add", "kiosk", "--strategy", "hybrid").code == 0
    name = served.registered()
    assert served.soon(served.signed_in(name)["credential"]["token"], "accepted", within=5)
    tokens = [served.signed_in(name, "kiosk")["credential"]["token"] for _ in range(3)]
    said = served.run("sessions", "revoke", "--client", "kiosk")
    assert said.code == 0
    assert said.out.startswith("Ended 3 sessions: effective within 10 s, elsewhere within ")
    assert all(served.soon(token, "session_revoked", within=10) for token in tokens)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["show", "-no-such-session"], 1, "not_found:"),
        (["revoke", "no-such-session"], 1, "not_found:"),
        (["revoke", "--subject", "nobody"], 1, "not_found:"),
        (["revoke", "--identifier", "nobody"], 1, "not_found:"),
        (["revoke", "--client", "nothing"], 1, "client_unknown:"),
        (["revoke"], 2, "Name one of ID, --subject, --identifier and --client."),
        (["revoke", "one", "--client", "api"], 2, "Name one of"),
    ],
)
def test_what_is_not_there_is_refused_with_a_code(
    served: Served, arguments: list[str], code: int, word: str
) -> None:
    """Nothing answers "done" to a revocation that did nothing."""
    said = served.run("sessions", *arguments)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(word)


@pytest.mark.parametrize("command", [["accounts", "list"], ["keys", "rotate", "ES256"]])
def test_a_folder_without_data_is_named_and_left_alone(
    terminal: Terminal, command: list[str]
) -> None:
    """Only serve makes a data folder."""
    said: Said = terminal(*command, "--data", "nowhere")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "There is no Counterfoil data in nowhere; start `counterfoil serve --data nowhere`"
        " or name another folder with --data.\n"
    )
    assert list(terminal.folder.iterdir()) == []
