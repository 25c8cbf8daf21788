"""`python -m crash`: kills that lose nothing, and a planted bug that does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import live
import postgresql
import valkeys
from crash.__main__ import NOT_HERE, main
from crash.person import PASSWORD
from engines.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator


ROOT: Final = Path(__file__).resolve().parents[2]
EARLY: Final = Path(__file__).with_name("early_node.py")
SECRET: Final = re.compile(rf"eyJ|cf_[\w-]{{8}}|{PASSWORD}")
ROUNDS: Final = 12  # within which the bug is found; seldom more than two
LOST: Final = 6_000  # bytes; some commits


def crash(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crash", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from descendants(child)


def test_what_was_acknowledged_survives_kills() -> None:
    """Nothing is missing after three rounds; what happened in them is told."""
    with crash("--rounds", "3", "--seed", "11") as running:
        told, _ = running.communicate()
    if running.returncode == NOT_HERE:
        postgresql.do_without(told)
    assert running.returncode == 0, told
    assert told.startswith("Seed 11\n")
    for what in ("acknowledged sign-ins", "acknowledged rotations", "killed PostgreSQL"):
        assert what in told
    assert told.endswith("Nothing that was acknowledged is missing.\n")


@pytest.mark.parametrize(("store", "killed"), [("valkey", "Valkey"), ("cluster", "Valkey ")])
def test_what_was_acknowledged_survives_kills_of_valkey(store: str, killed: str) -> None:
    """The same where sessions are in Valkey, alone and in three masters that are killed singly."""
    with crash("--store", store, "--rounds", "3", "--seed", "11") as running:
        told, _ = running.communicate()
    if running.returncode == NOT_HERE:
        valkeys.do_without(told)
    assert running.returncode == 0, told
    for what in ("acknowledged sign-ins", "acknowledged rotations", f"killed {killed}"):
        assert what in told
    assert told.endswith("Nothing that was acknowledged is missing.\n")


def test_a_valkey_that_loses_what_it_wrote_last_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose disk keeps nothing that it was told to keep: the end of its file is missing."""
    kill = ValkeyServer.kill

    def kill_lossily(server: ValkeyServer) -> None:
        kill(server)
        for path in server.folder.glob("appendonlydir/*.incr.aof"):
            os.truncate(path, max(0, path.stat().st_size - LOST))

    monkeypatch.setattr(ValkeyServer, "kill", kill_lossily)
    code = main(("--store", "valkey", "--rounds", str(ROUNDS), "--seed", "5"))
    told = capsys.readouterr().out
    if code == NOT_HERE:
        valkeys.do_without(told)
    assert code == 1, told
    assert re.search(r"^Round \d+ of seed 5 fails\. ", told, re.MULTILINE), told
    assert not SECRET.search(told)
    logs = Path(told.rpartition(" are in ")[2].rstrip(".\n"))
    assert {each.name for each in logs.iterdir()} == {"node-A.log", "node-B.log", "Valkey.log"}
    shutil.rmtree(logs)


def test_a_node_that_acknowledges_too_early_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1. The seed, the round and the history of the session are told, and nothing
    with which anybody could sign in."""
    arguments = ("--rounds", str(ROUNDS), "--seed", "366")  # PostgreSQL is killed alone at first
    code = main(arguments, program=(sys.executable, str(EARLY)))
    told = capsys.readouterr().out
    if code == NOT_HERE:
        postgresql.do_without(told)
    assert code == 1, told
    assert re.search(r"^Round \d+ of seed 366 fails\. ", told, re.MULTILINE), told
    assert not SECRET.search(told)
    logs = Path(told.rpartition(" are in ")[2].rstrip(".\n"))
    assert {each.name for each in logs.iterdir()} == {"node-A.log", "node-B.log", "PostgreSQL.log"}
    shutil.rmtree(logs)


def test_whoever_is_told_to_stop_leaves_nothing_running() -> None:
    """Nodes and PostgreSQL are ended with the program."""
    with crash("--rounds", "50") as running:
        assert running.stdout is not None
        running.stdout.readline()
        until = time.monotonic() + 30
        while len(started := {*descendants(running.pid)}) < 5 and time.monotonic() < until:
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        running.communicate()
    if running.returncode == NOT_HERE:
        postgresql.do_without("see the other tests")
    assert len(started) >= 5
    # What a node had just started, to look for a library, ends by itself.
    live.until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in started))
