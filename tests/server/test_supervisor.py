"""Several workers as they start, end, are started again and are stopped: real processes, real
signals."""

from __future__ import annotations

import json
import os
import pty
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import live
from cli.terminal import PROGRAM, Terminal, environment
from counterfoil.server.workers.supervisor import LONGEST_PAUSE, pause
from working import Crew, crews, is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DRAINING = ("--drain", "5m")
# What keeps a worker from coming to answer: any; the second, or a new one, once there is `broken`.
NEVER = "import counterfoil.server.serving as s; s.application = None"
NO_PROCESS = """
import errno, os
whole = os.fork
def fork():
    if os.path.exists("broken"):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return whole()
os.fork = fork
"""
BROKEN = """
import os
import counterfoil.server.workers.worker as w
whole = w._serve
def _serve(post):
    if post.number == 2 and os.path.exists("broken"):
        raise RuntimeError("broken")
    return whole(post)
w._serve = _serve
"""


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Callable[..., Crew]]:
    with crews(tmp_path) as begin:
        yield begin


def ended(crew: Crew) -> bool:
    return not any(map(is_there, crew.pids().values()))


def refuses(crew: Crew) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", crew.port)) != 0


def metrics(crew: Crew) -> str:
    return crew.site.call("GET", "/metrics").raw.decode()


def begun(crew: Crew) -> float:
    """How many sign-ins there were, with those that are under way."""
    told = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in metrics(crew).splitlines()
        if line.startswith("counterfoil_requests")
    }
    done = 'counterfoil_requests_total{method="POST",route="/v1/sessions",status="201"}'
    return told.get(done, 0) + told["counterfoil_requests_in_flight"] - 1


def test_all_of_them_answer_before_anything_is_told(crew: Callable[..., Crew]) -> None:
    """Once, and how many they are. Commands beside them find the data folder as ever."""
    three = crew(3)
    assert sorted(three.pids()) == [1, 2, 3]
    assert three.living() == {1, 2, 3}
    assert three.served.told.count("with 3 workers") == 1
    assert three.served.told.count("as demo, password") == 1
    assert set(three.ask_all("/livez")) == {1, 2, 3}
    assert json.loads(three.served.run("clients", "list", "--json").out)["clients"]
    if sys.platform == "linux":  # what a fork would not copy is never in the one that forks
        assert len(list(Path(f"/proc/{three.pid}/task").iterdir())) == 1


def test_one_worker_is_a_process_alone(crew: Callable[..., Crew]) -> None:
    """Nobody stands above it, and no line says which one it is."""
    one = crew(1)
    assert one.site.call("GET", "/livez").status == 200
    live.until(lambda: bool(one.told("request")))
    assert "worker" not in one.told("request")[0]
    assert one.pids() == {}
    assert "workers" not in one.served.told


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(
    crew: Callable[..., Crew],
) -> None:
    """By one of the same number; who died, and how, is in the log. Nothing is left of it."""
    two = crew(2)
    killed = two.pids()[2]
    os.kill(killed, signal.SIGKILL)
    assert two.site.call("GET", "/livez").status == 200
    live.until(lambda: two.pids()[2] != killed)
    [line] = two.told("worker_ended")
    assert (line["level"], line["pid"], line["detail"]) == ("error", killed, "SIGKILL")
    assert not is_there(killed)
    assert set(two.ask_all("/readyz")) == {1, 2}
    assert two.served.stop() == 0
    assert ended(two)


def test_a_worker_that_is_told_to_stop_finishes_and_is_replaced(
    crew: Callable[..., Crew],
) -> None:
    """SIGTERM to one alone is no failure, and says nothing to the others."""
    two = crew(2)
    told = two.pids()[1]
    os.kill(told, signal.SIGTERM)
    live.until(lambda: two.pids()[1] != told)
    [line] = two.told("worker_ended")
    assert (line["level"], line["detail"]) == ("info", "exit code 0")
    assert len(two.told("stopping")) == 1
    assert set(two.ask_all("/readyz")) == {1, 2}


@pytest.mark.parametrize(
    ("patch", "event"),
    [(BROKEN, "worker_ended"), (NO_PROCESS, "worker_not_started")],
    ids=["crash", "no process"],
)
def test_one_that_cannot_start_again_is_tried_again_and_again(
    crew: Callable[..., Crew], tmp_path: Path, patch: str, event: str
) -> None:
    """While another answers, who comes is served; mended, all are there again."""
    two = crew(2, patch=patch)
    (tmp_path / "broken").touch()
    os.kill(two.pids()[2], signal.SIGKILL)
    live.until(lambda: len(two.told(event)) >= 3)
    assert {line["worker"] for line in two.told(event)} == {2}
    assert two.site.call("GET", "/readyz").status == 200
    assert two.served.process.poll() is None
    (tmp_path / "broken").unlink()
    live.until(lambda: two.living() == {1, 2})
    assert two.served.stop() == 0


def test_pauses_grow_up_to_a_limit() -> None:
    """The first to end early is replaced at once."""
    assert [pause(lives) for lives in range(6)] == [0, 0, 0.5, 1, 2, 4]
    assert pause(50) == LONGEST_PAUSE


@pytest.mark.parametrize(
    ("patch", "code", "sentence"),
    [
        (NEVER, 1, "See what is said above: a worker ended before it answered (exit code 1)."),
        (
            "import os; open('data/counterfoil.db', 'w').write('no database' * 1000)",
            2,
            "Cannot keep a SQLite database at",
        ),
    ],
    ids=["crash", "configuration"],
)
def test_a_first_worker_that_cannot_start_ends_it_all(
    tmp_path: Path, patch: str, code: int, sentence: str
) -> None:
    """In one sentence; what is wrong with the set-up is told as without workers, with code 2."""
    (tmp_path / "data").mkdir(mode=0o700)
    said = Terminal(tmp_path)(
        "serve", "--dev", "--port", "0", "--workers", "2", "--data", "data", patch=patch
    )
    assert (said.code, said.out) == (code, "")
    assert said.err.splitlines()[-1].startswith(sentence)
    assert '"event"' not in said.err


def test_as_many_files_as_may_be_are_open(crew: Callable[..., Crew]) -> None:
    """Each verifier that waits holds a connection: the soft limit becomes the hard one."""
    limited = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (256, 1024))"
    two = crew(2, patch=limited)
    assert "\nprocess_max_fds 1024.0\n" in metrics(two)


def test_told_to_stop_all_of_them_drain(crew: Callable[..., Crew]) -> None:
    """`/readyz` is 503 at each; all else is answered, for as long as the drain lasts. Then nobody
    listens, all have ended, and the code is 0."""
    three = crew(3, "--drain", "4s")
    began = time.monotonic()
    os.kill(three.pid, signal.SIGTERM)
    live.until(lambda: len(three.told("stopping")) == 3)
    ready = three.ask_all("/readyz")
    assert {met.status for met in ready.values()} == {503}
    assert three.site.call("GET", "/livez").status == 200
    assert three.served.process.wait(live.PATIENCE) == 0
    assert time.monotonic() - began >= 4
    assert refuses(three)
    assert ended(three)
    assert three.told("worker_ended") == []


def asked(crew: Crew, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """One poll of the feed; by a verifier that knows what the last one answered, it may wait."""
    query = f"nonce={secrets.token_urlsafe(16)}&wait=20"
    if known:
        query += f"&epoch={known['epoch']}&number={known['to']}"
        query += f"&seal={known['seal']}&terms={known['digest']}"
    answer = crew.site.call("GET", f"/status/feed?{query}")
    assert answer.status == 200
    payload = answer.raw.split(b".")[1]
    told: dict[str, Any] = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    return told


def test_verifiers_that_wait_are_answered_when_it_stops(crew: Callable[..., Crew]) -> None:
    """At all workers, and at once: nobody's patience is waited for."""
    two = crew(2, "--max-staleness", "60s")
    live.until(lambda: bool(asked(two)["terms"]["lists"]))  # who asks first has them made
    known = asked(two)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(asked, two, known) for _ in range(8)]
        live.until(lambda: "counterfoil_feed_waiting 8.0" in metrics(two))
        began = time.monotonic()
        os.kill(two.pid, signal.SIGTERM)
        assert two.served.process.wait(live.PATIENCE) == 0
        assert time.monotonic() - began < 15
        assert {each.result()["to"] for each in waiting} == {known["to"]}


def test_a_second_signal_ends_all_of_them_at_once(crew: Callable[..., Crew]) -> None:
    """However long the drain was to last."""
    three = crew(3, *DRAINING)
    os.kill(three.pid, signal.SIGTERM)
    live.until(lambda: len(three.told("stopping")) == 3)
    os.kill(three.pid, signal.SIGTERM)
    assert three.served.process.wait(live.PATIENCE / 2) == 0
    assert ended(three)


def test_a_worker_that_hears_nothing_is_not_waited_for(crew: Callable[..., Crew]) -> None:
    """At a second signal, one that does not end by itself is killed."""
    two = crew(2, *DRAINING)
    os.kill(two.pids()[2], signal.SIGSTOP)
    os.kill(two.pid, signal.SIGINT)
    live.until(lambda: not is_there(two.pids()[1]))
    os.kill(two.pid, signal.SIGINT)
    assert two.served.process.wait(live.PATIENCE / 2) == 0
    assert [line["worker"] for line in two.told("worker_killed")] == [2]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["terminal", "service"])
def test_a_signal_to_the_whole_group_counts_once(
    crew: Callable[..., Crew], how: signal.Signals
) -> None:
    """A terminal's Ctrl-C and a service manager reach the workers too: what is under way is
    finished all the same."""
    two = crew(2)
    people = [two.site.person() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        signing_in = pool.map(live.Person.try_sign_in, people)
        live.until(lambda: begun(two) == 4)
        os.killpg(two.pid, how)
        assert [answer.status for answer in signing_in] == [201] * 4
    assert two.served.process.wait(live.PATIENCE) == 0
    assert two.told("worker_ended") == []


def test_a_hang_up_has_all_of_them_read_the_keys(crew: Callable[..., Crew]) -> None:
    """Sent to the supervisor, or to the group."""
    two = crew(2)
    os.kill(two.pid, signal.SIGHUP)
    live.until(lambda: {line["worker"] for line in two.told("keys_reloaded")} == {1, 2})
    os.killpg(two.pid, signal.SIGHUP)
    live.until(lambda: len(two.told("keys_reloaded")) == 4)
    assert two.living() == {1, 2}


def test_workers_do_not_outlive_their_supervisor(crew: Callable[..., Crew]) -> None:
    """Killed, it says nothing to them: they notice, finish and end. Nobody listens any more."""
    three = crew(3, *DRAINING)
    pids = list(three.pids().values())
    os.kill(three.pid, signal.SIGKILL)
    three.served.process.wait(live.PATIENCE)
    live.until(lambda: not any(map(is_there, pids)))
    assert refuses(three)
    assert "Traceback" not in three.served.log.read_text()


@pytest.mark.parametrize("ignoring", ["", "trap '' HUP; "], ids=["", "nohup"])
def test_at_a_terminal_they_end_with_it(tmp_path: Path, ignoring: str) -> None:
    """As one process does, unless SIGHUP was ignored from the start. By itself it has the keys
    read."""
    terminal, own = pty.openpty()
    out = tmp_path / "out"
    out.touch()
    serve = [*PROGRAM, "serve", "--dev", "--port", "0", "--workers", "2", "--data", "data"]
    # Whoever leads a session and opens a terminal has it from then on.
    begin = f'{ignoring}exec "$@" <{os.ttyname(own)} >{out} 2>&1'
    with subprocess.Popen(
        ["/bin/sh", "-c", begin, "sh", *serve],
        env=environment(),
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        try:
            os.close(own)
            live.until(lambda: "-X DELETE" in out.read_text())
            process.send_signal(signal.SIGHUP)
            live.until(lambda: out.read_text().count("keys_reloaded") == 2)
            assert process.poll() is None
            os.close(terminal)
            if ignoring:
                live.until(lambda: out.read_text().count("keys_reloaded") == 4)
                process.terminate()
            assert process.wait(live.PATIENCE) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("after", [0, 0.2, 0.5])
def test_stopped_while_they_start_all_end(tmp_path: Path, after: float) -> None:
    """Code 0, and nobody is left, who had not come to listen to their supervisor yet."""
    serve = [*PROGRAM, "serve", "--dev", "--port", "0", "--workers", "4", "--data", "data"]
    with subprocess.Popen(
        serve, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE
    ) as process:
        live.until((tmp_path / "data" / "counterfoil.db").exists)
        time.sleep(after)
        process.terminate()
        assert process.stdout is not None
        process.stdout.read()  # to its end, which is that of the last process
        assert process.wait(live.PATIENCE) == 0


def test_a_wrong_number_of_workers_is_refused(tmp_path: Path) -> None:
    """In a sentence."""
    said = Terminal(tmp_path)("serve", "--dev", "--workers", "0")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("Correct the setting workers: ")
