from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli.terminal import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli.terminal import Served, Terminal

WITHOUT = "import sys; sys.modules[{!r}] = None; from counterfoil.cli.main import main; main()"


def commands(running: Served) -> list[str]:
    return [line.strip() for line in running.told.splitlines() if line.startswith("  curl")]


def test_a_newcomer_is_told_where_to_go_who_to_be_and_what_to_try(served: Served) -> None:
    """The text ends with the URL, the demo account and three commands; it is plain in a pipe."""
    lines = served.told.splitlines()
    assert lines[-5].startswith(f"Go to {served.url} and sign in as demo, password ")
    assert [line[:7] for line in lines[-3:]] == ["  curl "] * 3
    assert len(lines) < 15
    assert "\x1b" not in served.told
    assert f"{served.url}/openapi.json" in served.told


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_three_commands_sign_in_look_and_sign_out(served: Served) -> None:
    """Copied as they are into a shell, each does what was said."""
    signed_in, seen, ended = (
        json.loads(subprocess.check_output(["/bin/sh", "-c", command], stderr=subprocess.DEVNULL))
        for command in commands(served)
    )
    assert signed_in["session"]["client_id"] == "web"
    assert seen["session_id"] == signed_in["session"]["id"]
    assert seen["claims"] == {"roles": ["admin"]}
    assert ended["revoked"] == 1


def test_the_demo_account_gets_a_token_as_api_and_as_partner(served: Served) -> None:
    """The text says that api or partner may be written for web."""
    for client in ("api", "partner"):
        opened = served.signed_in("demo", client, served.demo_password)
        assert served.code(opened["credential"]["token"]) == "accepted"


def test_a_server_is_stopped_and_started_again_tidily(starting: Callable[..., Served]) -> None:
    """Ctrl-C and SIGTERM end it with code 0 and no traceback; the next start tells the same demo
    password, and keeps what was granted and what was ended. A command beside it promises by the
    lifetimes that the server was started with."""
    first = starting("--dev", "--access-lifetime", "10s")
    opened = first.signed_in("demo", "web", first.demo_password)
    assert opened["session"]["client_id"] == "web"
    assert first.signed_in("demo", "partner", first.demo_password)["elsewhere_within_seconds"] <= 10
    ended = first.run("sessions", "revoke", "--client", "partner")
    assert ended.out == "Ended 1 session: effective within 10 s, elsewhere within 10 s.\n"
    assert first.stop(signal.SIGINT) == 0
    again = starting("--dev")
    assert again.demo_password == first.demo_password
    assert len(json.loads(again.run("sessions", "list", "--json").out)["sessions"]) == 1
    assert again.stop(signal.SIGTERM) == 0
    assert "Traceback" not in first.log.read_text()


def test_in_production_nobody_is_let_in_by_default(starting: Callable[..., Served]) -> None:
    """Without --dev there is no demo account and no client, registration is closed, and the text
    says how to add the first."""
    running = starting(last="Go to")
    assert "counterfoil accounts add NAME --role admin" in running.told
    assert "password" not in running.told
    sent = {"identifier": "eve", "password": "plum-anchor-violet-hatch"}
    assert running.call("POST", "/v1/accounts", json=sent).json()["code"] == "registration_closed"
    assert json.loads(running.run("clients", "list", "--json").out) == {"clients": []}
    assert json.loads(running.run("accounts", "list", "--json").out)["accounts"] == []
    assert running.stop() == 0


def test_a_port_that_is_taken_is_named(served: Served, terminal: Terminal) -> None:
    """One sentence says which port and what to do."""
    port = served.url.rpartition(":")[2]
    said = terminal("serve", "--dev", "--port", port)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"Choose another --port or --host: 127.0.0.1:{port} is not free")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "env", "sentence"),
    [
        (
            ["--dev"],
            {"COUNTERFOIL_GRACES": "5s"},
            "Remove COUNTERFOIL_GRACES, which is no setting: did you mean COUNTERFOIL_GRACE?",
        ),
        (
            ["--dev"],
            {"COUNTERFOIL_CONFIG": "settings.toml"},
            "Remove garce, which is no setting: did you mean grace? (settings.toml)",
        ),
        (
            ["--dev", "--host", "0.0.0.0"],  # noqa: S104 - refused
            {},
            "Serve --dev on localhost only, or leave --dev out.",
        ),
        (
            ["--dev", "--idle", "soon"],
            {},
            "Correct the setting idle: write a duration as seconds, or as 10s, 5m, 12h or 30d.",
        ),
        (
            ["--host", "192.0.2.1"],
            {},
            "Set COUNTERFOIL_ISSUER to the https URL that users see.",
        ),
    ],
    ids=["variable", "file", "host", "span", "issuer"],
)
def test_a_wrong_setting_fails_in_one_sentence(
    terminal: Terminal, arguments: list[str], env: dict[str, str], sentence: str
) -> None:
    """It says what to change, the exit code is 2, and nothing has been created."""
    (terminal.folder / "settings.toml").write_text('garce = "5s"\n')
    said = terminal("serve", *arguments, env=env)
    assert (said.code, said.out, said.err) == (2, "", f"{sentence}\n")
    assert [path.name for path in terminal.folder.iterdir()] == ["settings.toml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_folder_that_cannot_be_written_is_named(terminal: Terminal) -> None:
    """One sentence names the folder."""
    (terminal.folder / "data").mkdir(mode=0o500)
    said = terminal("serve", "--dev", "--port", "0", "--data", "data")
    assert said.code == 2
    assert said.err.startswith("Cannot keep a SQLite database at ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("missing", ["typer", "fastapi"])
def test_without_the_server_extra_one_sentence_says_what_to_install(
    tmp_path: Path, missing: str
) -> None:
    """`pip install counterfoil` brings the program, but not what it needs."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing), "serve", "--dev", "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = f"Run pip install 'counterfoil[server]': the command line needs {missing}.\n"
    assert (done.returncode, done.stderr) == (2, wanted)


def test_help_names_the_commands_and_the_exit_codes(terminal: Terminal) -> None:
    """The root's help is the map."""
    said = terminal("--help")
    assert said.code == 0
    for name in ("serve", "accounts", "sessions", "clients", "keys", "token"):
        assert f"\n  {name} " in said.out
    assert "0 done, 1 refused, 2 wrong use or set-up, 3 cannot be known now" in said.out
