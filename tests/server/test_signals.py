"""Signals to a real process: SIGTERM and SIGINT stop it in order, SIGHUP reads the keys again."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import live
from cli.terminal import PASSWORD, PROGRAM, Served, environment, start
from counterfoil.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts servers of the test's own, which end with it."""
    running: list[Served] = []

    def begin(*arguments: str) -> Served:
        running.append(start(tmp_path, "--dev", *arguments))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.stop()


def connected(served: Served) -> http.client.HTTPConnection:
    """A connection that is kept."""
    port = int(served.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=live.PATIENCE)
    connection.connect()
    return connection


def asked(connection: http.client.HTTPConnection, path: str) -> tuple[int, Any, str | None]:
    """Status, body and what is said about the connection."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read()), answer.getheader("connection")


def in_flight(served: Served) -> float:
    told = served.call("GET", "/metrics").text.splitlines()
    found = [line for line in told if line.startswith("counterfoil_requests_in_flight ")]
    return float(found[0].split()[1])


def lines_of(served: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in served.log.read_text().splitlines()]


def is_told(served: Served, event: str) -> bool:
    return event in [line["event"] for line in lines_of(served)]


def test_what_is_under_way_when_it_is_told_to_stop_is_answered(
    starting: Callable[..., Served],
) -> None:
    """Sign-ins that wait for their hash are finished; then nobody listens, and the code is 0. What
    was acknowledged is there at the next start."""
    served = starting()
    names = [served.registered() for _ in range(4)]
    connections = [connected(served) for _ in names]
    for name, connection in zip(names, connections, strict=True):
        sent = {"client_id": "api", "identifier": name, "password": PASSWORD}
        connection.request("POST", "/v1/sessions", json.dumps(sent), HEADERS)
    live.until(lambda: in_flight(served) > 2)
    served.process.send_signal(signal.SIGTERM)
    answers = [connection.getresponse() for connection in connections]
    assert [answer.status for answer in answers] == [201] * len(names)
    ids = {json.loads(answer.read())["session"]["id"] for answer in answers}
    assert served.process.wait(live.PATIENCE) == 0
    with pytest.raises(ConnectionRefusedError):
        connected(served)
    assert "Traceback" not in served.log.read_text()
    again = starting()
    kept = json.loads(again.run("sessions", "list", "--json").out)["sessions"]
    assert ids <= {session["id"] for session in kept}


def test_what_cannot_be_finished_in_time_is_told_as_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off, nobody knows whether it was done; that is said, and it is no 500."""
    monkeypatch.setattr(serving, "FINISH_WITHIN", 1)
    with live.serving(tmp_path / "data") as site:
        waiting = socket.create_connection(("127.0.0.1", site.port), timeout=live.PATIENCE)
        waiting.sendall(
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        )
        live.until(lambda: b"in_flight 2.0" in site.call("GET", "/metrics").raw)
    answer = waiting.recv(65536)
    waiting.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"issuer_unavailable"' in answer
    assert b"\r\nx-request-id: " in answer


def test_after_its_drain_it_ends_by_itself(starting: Callable[..., Served]) -> None:
    """Not before, and with code 0."""
    served = starting("--drain", "1s")
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began >= 1
    assert is_told(served, "stopping")


def test_while_it_drains_it_answers_and_says_that_it_is_going(
    starting: Callable[..., Served],
) -> None:
    """`/readyz` is 503 at once; all else is answered, on connections that are then closed."""
    served = starting("--drain", "5m")
    kept = connected(served)
    assert asked(kept, "/readyz") == (200, {"status": "ready"}, None)
    served.process.send_signal(signal.SIGTERM)
    status, body, connection = asked(kept, "/readyz")
    assert (status, body["code"], connection) == (503, "issuer_unavailable", "close")
    token = served.signed_in(served.registered())["credential"]["token"]
    assert served.code(token) == "accepted"
    assert asked(connected(served), "/livez") == (200, {"status": "alive"}, "close")


def test_a_second_signal_ends_it_at_once(starting: Callable[..., Served]) -> None:
    """However long the drain was to last, and whoever is still connected."""
    served = starting("--drain", "5m")
    kept = connected(served)
    served.process.send_signal(signal.SIGTERM)
    assert asked(kept, "/readyz")[0] == 503
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(live.PATIENCE / 2) == 0


def test_control_c_does_not_drain(starting: Callable[..., Served]) -> None:
    """Somebody waits for the prompt."""
    served = starting("--drain", "5m")
    assert served.stop(signal.SIGINT) == 0


def test_a_hang_up_disturbs_nobody_and_a_broken_key_file_changes_nothing(
    starting: Callable[..., Served],
) -> None:
    """SIGHUP reads the key files: what is wrong with one is told in the log, naming it, and the
    former keys go on signing and checking. Mended, it is read again. Nobody notices."""
    served = starting()
    token = served.signed_in(served.registered())["credential"]["token"]
    keys = served.data / "keys" / "signing-keys.json"
    good = keys.read_text()
    stop = threading.Event()
    codes: set[str] = set()

    def go_on() -> None:
        while not stop.is_set():
            codes.add(served.code(token))

    calling = threading.Thread(target=go_on)
    calling.start()
    try:
        for text, event in (("{", "keys_not_reloaded"), (good, "keys_reloaded")):
            keys.write_text(text)
            served.process.send_signal(signal.SIGHUP)
            live.until(lambda: is_told(served, event))  # noqa: B023 - it is waited for here
            assert served.signed_in(served.registered())["credential"]["token"]
        for _ in range(20):
            served.process.send_signal(signal.SIGHUP)
    finally:
        stop.set()
        calling.join()
    assert codes == {"accepted"}
    refused = next(line for line in lines_of(served) if line["event"] == "keys_not_reloaded")
    assert refused["level"] == "error"
    assert str(keys) in refused["detail"]
    assert served.stop() == 0


def test_a_server_at_a_terminal_ends_with_it(tmp_path: Path) -> None:
    """SIGHUP is also how a terminal says that it was closed; nobody would stop that server."""
    terminal, own = pty.openpty()
    (tmp_path / "out").touch()
    serve = [*PROGRAM, "serve", "--dev", "--port", "0", "--data", str(tmp_path / "data")]
    # Whoever leads a session and opens a terminal has it from then on.
    shell = ["/bin/sh", "-c", f'exec "$@" <{os.ttyname(own)} >{tmp_path}/out 2>&1', "sh", *serve]
    with subprocess.Popen(shell, env=environment(), start_new_session=True) as process:
        try:
            os.close(own)
            live.until(lambda: "-X DELETE" in (tmp_path / "out").read_text())
            process.send_signal(signal.SIGHUP)
            live.until(lambda: "keys_reloaded" in (tmp_path / "out").read_text())
            assert process.poll() is None
            os.close(terminal)
            assert process.wait(live.PATIENCE) == 0
        finally:
            process.kill()
