from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cli.terminal import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.terminal import Said, Served, Terminal

OTHER = "copper-lantern-drift-oak"


def test_an_administrator_is_added_and_listed_and_signs_in(served: Served) -> None:
    """`accounts add --role admin` beside a running server is all that it takes."""
    said = served.run("accounts", "add", "Root", "--role", "admin", "--password-stdin", stdin=OTHER)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Added Root: subject ")
    assert said.out.endswith(", roles admin.\n")
    opened = served.signed_in("root", password=OTHER)
    told = json.loads(served.run("accounts", "list", "--json").out)
    kept = next(each for each in told["accounts"] if each["identifier"] == "Root")
    assert kept["subject"] == opened["session"]["subject"]
    assert (kept["roles"], kept["state"]) == (["admin"], "active")
    shown = served.call("GET", "/v1/admin/accounts", token=opened["credential"]["token"]).json()
    assert kept in shown["accounts"]


def test_a_generated_password_is_printed_once_and_works(served: Served) -> None:
    """`--generate` is the one way in which a password is printed."""
    said = served.run("accounts", "add", "bot", "--generate")
    password = said.out.splitlines()[-1].removeprefix("Password: ")
    assert "session" in served.signed_in("bot", password=password)


def test_a_password_is_never_taken_as_an_argument(beside: Callable[..., Said]) -> None:
    """Neither does the program wait where there is no terminal to ask on."""
    said = beside("accounts", "add", "ada")
    assert (said.code, said.out) == (2, "")
    assert said.err == "Use --password-stdin or --generate: no terminal to ask on.\n"
    assert beside("accounts", "add", "ada", "--password", OTHER).code == 2


def test_what_may_not_be_chosen_is_refused_with_the_reason(beside: Callable[..., Said]) -> None:
    """A weak password, a taken identifier and an impossible role leave nothing behind."""
    weak = beside("accounts", "add", "ada", "--password-stdin", stdin="short\n")
    assert (weak.code, weak.out) == (1, "")
    assert weak.err.startswith("password_refused: The password is shorter than 15 characters.")
    role = beside("accounts", "add", "ada", "--role", "a b", "--password-stdin", stdin=OTHER)
    assert (role.code, role.err.partition(":")[0]) == (1, "malformed")
    assert beside("accounts", "add", "ada", "--generate").code == 0
    taken = beside("accounts", "add", "ADA", "--generate")
    assert (taken.code, taken.out) == (1, "")
    assert taken.err == "identifier_taken: Choose another identifier.\n"


def test_a_password_is_asked_for_twice_and_not_shown(
    beside: Callable[..., Said], terminal: Terminal
) -> None:
    """On a terminal nothing that is typed appears; two different texts change nothing."""
    beside("accounts", "add", "ada", "--generate")
    asked = ["accounts", "set-password", "ada", "--data", "data"]
    first, again = ("Password: ", f"{OTHER}\n"), ("The same again: ", f"{OTHER}\n")
    said = terminal.typing(*asked, keys=[first, again])
    assert said.code == 0, said.out
    assert OTHER not in said.out
    assert "Set the password of ada; ended 0 sessions" in said.out
    differs = terminal.typing(*asked, keys=[first, ("The same again: ", "something else\n")])
    assert differs.code == 1
    assert "malformed: The two passwords differ." in differs.out


def test_a_role_given_from_the_command_line_makes_the_api_token_stale(served: Served) -> None:
    """Within the stated bound the old token is refused as claims_stale, and stays so; a refresh
    brings the new role. What is the case already changes nothing."""
    name = served.registered()
    credential = served.signed_in(name)["credential"]
    assert served.code(credential["token"]) == "accepted"
    said = served.run("accounts", "roles", name, "--add", "editor")
    assert said.code == 0
    assert said.out.startswith(f"{name} now has the roles editor: effective within 10 s, elsewhere")
    assert served.soon(credential["token"], "claims_stale", within=10)
    fresh = served.refreshed(credential)
    seen = served.call("GET", "/v1/session", token=fresh).json()
    assert seen["claims"]["roles"] == ["editor"]
    assert served.code(credential["token"]) == "claims_stale"
    same = served.run("accounts", "roles", name, "--add", "editor")
    assert same.out == f"{name} has the roles editor. Nothing was changed.\n"
    assert served.code(fresh) == "accepted"


def test_roles_are_set_added_and_removed(beside: Callable[..., Said]) -> None:
    """--set replaces, --add and --remove change; without them the roles are shown."""
    beside("accounts", "add", "ada", "--generate", "--role", "a", "--role", "b")

    def roles(*options: str) -> list[str]:
        answer = json.loads(beside("accounts", "roles", "ada", "--json", *options).out)
        return list(answer["roles"])

    assert roles() == ["a", "b"]
    assert roles("--add", "c", "--remove", "a") == ["b", "c"]
    assert roles("--set", "x,y") == ["x", "y"]
    assert roles("--set", "") == []
    both = beside("accounts", "roles", "ada", "--set", "a", "--add", "b")
    assert (both.code, both.err) == (2, "Use --set alone, or --add and --remove.\n")


def test_a_suspended_account_is_out_until_it_is_reinstated(served: Served) -> None:
    """What was revoked meanwhile stays revoked; doing it twice says so."""
    name = served.registered()
    kept, ended = (served.signed_in(name) for _ in range(2))
    said = served.run("accounts", "suspend", name)
    assert said.out.startswith(f"Suspended {name}: effective within 10 s, elsewhere within ")
    assert served.soon(kept["credential"]["token"], "subject_suspended", within=10)
    assert served.signed_in(name)["code"] == "subject_suspended"
    again = served.run("accounts", "suspend", kept["session"]["subject"])
    assert again.out == f"{name} was suspended already. Nothing was changed.\n"
    assert served.run("sessions", "revoke", ended["session"]["id"]).code == 0
    served.run("accounts", "reinstate", name)
    assert served.soon(kept["credential"]["token"], "accepted", within=10)
    assert served.code(ended["credential"]["token"]) == "session_revoked"


def test_setting_a_password_ends_the_sessions(served: Served) -> None:
    """Whoever knew the old one is out, and the new one signs in."""
    name = served.registered()
    token = served.signed_in(name)["credential"]["token"]
    said = served.run("accounts", "set-password", name, "--password-stdin", stdin=OTHER)
    assert said.out.startswith(f"Set the password of {name}; ended 1 session: effective within 10")
    assert served.soon(token, "session_revoked", within=10)
    assert served.signed_in(name)["code"] == "sign_in_refused"
    assert "session" in served.signed_in(name, password=OTHER)


def test_unlock_forgets_failed_sign_ins(beside: Callable[..., Said], served: Served) -> None:
    """Somebody who must wait after wrong passwords need not wait any longer."""
    name = served.registered()
    codes = (served.signed_in(name, password="wrong")["code"] for _ in range(20))
    assert "too_many_attempts" in codes
    said = served.run("accounts", "unlock", name)
    assert (said.code, said.out) == (0, f"Unlocked {name}: effective at once.\n")
    assert "session" in served.signed_in(name)
    unknown = beside("accounts", "unlock", "nobody")
    assert (unknown.code, unknown.err.partition(":")[0]) == (1, "not_found")


def test_a_name_that_means_two_accounts_means_none(beside: Callable[..., Said]) -> None:
    """Somebody who registers another's subject as their identifier is not taken for them."""
    ada = json.loads(beside("accounts", "add", "ada", "--generate", "--json").out)
    eve = json.loads(beside("accounts", "add", ada["subject"], "--generate", "--json").out)
    said = beside("accounts", "suspend", ada["subject"])
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("malformed: This is the subject of one account and the identifier")
    assert beside("accounts", "suspend", "ada").code == 0
    assert beside("accounts", "suspend", eve["subject"]).code == 0


def test_a_table_is_plain_in_a_pipe(beside: Callable[..., Said]) -> None:
    """One line for each account, nothing cut, no escape sequences, and --limit goes on."""
    for name in ("ada", "a" * 100):
        beside("accounts", "add", name, "--generate")
    said = beside("accounts", "list")
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == ["IDENTIFIER", "ada", "a" * 100]
    assert "\x1b" not in said.out
    first = json.loads(beside("accounts", "list", "--limit", "1", "--json").out)
    rest = beside("accounts", "list", "--after", first["next"])
    assert "ada" not in rest.out.split()
    assert PASSWORD not in said.out
