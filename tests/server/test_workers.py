"""Several workers serve as one: what one of them acknowledged holds at all, whichever is killed;
what all of them count is told by any."""

from __future__ import annotations

import fcntl
import math
import os
import re
import signal
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from itertools import count
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format

import live
from counterfoil.server.workers.counts import PREFIX, counts_folder
from working import Crew, crews

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAG = {"web": 0, "api": 10}  # seconds
CUT_OFF = (OSError, HTTPException)
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with crews(tmp_path_factory.mktemp("four")) as begin:
        yield begin(4)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Crew]:
    with crews(tmp_path) as begin:
        yield begin(2)


class Counts:
    """What is told, by whichever worker is met."""

    def __init__(self, crew: Crew) -> None:
        told = crew.site.call("GET", "/metrics")
        assert told.status == 200
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_format(told.raw.decode())
            for sample in family.samples
        }
        self.counters = {
            key: value for key, value in self._samples.items() if key[0].endswith("_total")
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self._samples.get((name, frozenset(labels.items())), 0.0)


@pytest.mark.parametrize("client", LAG)
def test_what_one_worker_ended_is_refused_by_all(four: Crew, client: str) -> None:
    """Each had accepted the credential before. Once a worker has refused it, it goes on so; within
    the lag all of them do."""
    device = four.site.person().sign_in(client)
    headers = device.headers()
    assert {met.status for met in four.ask_all("/v1/session", headers).values()} == {200}
    assert device.sign_out().json["revoked"] == 1
    acknowledged = time.monotonic()
    first_refusal: dict[int, float] = {}
    while len(first_refusal) < four.size:
        checks = four.round("/v1/session", headers)
        for met in checks:
            if met.status != 200:
                assert met.code == "session_revoked"
                known = first_refusal.get(met.worker, math.inf)
                first_refusal[met.worker] = min(known, met.ended)
        for met in checks:
            if met.status == 200:
                assert met.began < first_refusal.get(met.worker, math.inf)
                assert met.began <= acknowledged + LAG[client]


def sign_out(device: live.Device) -> float:
    """Asks until somebody acknowledges; when that was."""
    while True:
        with suppress(*CUT_OFF):
            answer = device.site.call("DELETE", "/v1/session", headers=device.headers())
            assert answer.status == 200
            return time.monotonic()


def is_accepted(device: live.Device) -> bool:
    """Asks until somebody answers."""
    while True:
        with suppress(*CUT_OFF):
            return device.who().status == 200


def kill_in_turn(crew: Crew, is_over: threading.Event) -> None:
    """One after the other, each once the one before was replaced."""
    for turn in count():
        former = crew.pids()
        if is_over.is_set():
            return
        os.kill(former[1 + turn % crew.size], signal.SIGKILL)
        live.until(partial(lambda former: crew.pids() != former, former))


def test_what_was_acknowledged_holds_while_workers_are_killed(two: Crew) -> None:
    """Whoever was told that a session is ended never sees it accepted beyond the lag; whoever was
    told nothing asks again, and is answered."""
    person = two.site.person()
    devices = [person.sign_in("api") for _ in range(24)]
    is_over = threading.Event()
    killing = threading.Thread(target=kill_in_turn, args=(two, is_over))
    killing.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            for device, acknowledged in zip(devices, pool.map(sign_out, devices), strict=True):
                began = time.monotonic()
                assert not is_accepted(device) or began <= acknowledged + LAG["api"]
        live.until(lambda: len(two.told("worker_ended")) >= 6)
    finally:
        is_over.set()
        killing.join()
    live.until(lambda: two.living() == {1, 2})
    for device in devices:
        assert {met.code for met in two.round("/v1/session", device.headers())} == {
            "session_revoked"
        }


def test_what_is_counted_is_told_of_all_workers_together(four: Crew) -> None:
    """Whoever is asked. Of gauges the sum, of ages the greatest; no series is there twice, and none
    names a worker."""
    before = Counts(four)
    met = [each for _ in range(4) for each in four.round("/livez")]
    assert {each.worker for each in met} == {1, 2, 3, 4}
    after = Counts(four)
    livez = {"method": "GET", "route": "/livez", "status": "200"}
    name = "counterfoil_requests_total"
    assert after(name, **livez) - before(name, **livez) == len(met)
    seconds = {"route": "/livez"}
    name = "counterfoil_request_seconds_count"
    assert after(name, **seconds) - before(name, **seconds) == len(met)
    assert after("counterfoil_workers") == 4
    assert after("counterfoil_worker_starts_total") == 4
    assert after("counterfoil_requests_in_flight") == 1
    assert 0 <= after("counterfoil_keys_age_seconds") < 5
    assert after("process_open_fds") > 4 * 10
    assert after("process_cpu_seconds_total") >= before("process_cpu_seconds_total") > 0
    told = four.site.call("GET", "/metrics", headers=OPENMETRICS).raw.decode()
    families = [family.name for family in openmetrics(told)]  # type: ignore[no-untyped-call]  # theirs
    assert len(families) == len(set(families))
    assert "pid=" not in told


def test_what_a_killed_worker_counted_is_kept(two: Crew) -> None:
    """No counter goes down. What was under way at the dead is not under way any more."""
    two.site.person().sign_in("api").who()
    for _ in range(4):
        two.round("/livez")
    before = Counts(two)
    for number in (1, 2):
        former = two.pids()
        os.kill(former[number], signal.SIGKILL)
        live.until(partial(lambda former: two.pids() != former, former))
        now = Counts(two)
        assert {key for key, value in before.counters.items() if now.counters[key] < value} == set()
        before = now
    assert before("counterfoil_worker_starts_total") == 4
    assert before("counterfoil_workers") == 2
    assert before("counterfoil_requests_in_flight") == 1


def test_the_worst_age_is_told_also_of_a_worker_that_hangs(two: Crew) -> None:
    """It says nothing any more, and its age goes on."""
    device = two.site.person().sign_in("api")
    two.ask_all("/v1/session", device.headers())

    def age() -> float:
        told = re.search(r"^counterfoil_status_age_seconds (.+)$", told_soon(two), re.MULTILINE)
        return float(told[1]) if told else math.nan

    time.sleep(2)  # every second each of them leaves word of its age
    assert age() < 2
    os.kill(two.pids()[1], signal.SIGSTOP)
    live.until(lambda: age() > 4)


def told_soon(crew: Crew) -> str:
    """What is told; nothing where the one that hangs had taken the connection before it did."""
    with suppress(*CUT_OFF), socket.create_connection(("127.0.0.1", crew.port), 2) as wire:
        wire.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: wire.recv(65536), b"")).decode()
    return ""


def test_one_worker_sweeps(four: Crew) -> None:
    """For all."""
    assert Counts(four)("counterfoil_store_calls_total", call="sweep") == 1


def test_folders_of_counts_that_were_left_behind_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those where somebody counts, or may be about to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("left", "new", "other's"):
        (tmp_path / f"{PREFIX}{name}").mkdir()
    for name in ("left", "other's"):
        os.utime(tmp_path / f"{PREFIX}{name}", (0, 0))
    (tmp_path / f"{PREFIX}elsewhere").symlink_to(tmp_path)
    locked = os.open(tmp_path / f"{PREFIX}other's", os.O_RDONLY)
    fcntl.flock(locked, fcntl.LOCK_EX)
    with counts_folder() as folder, counts_folder():
        os.utime(folder, (0, 0))
        with counts_folder():
            assert folder.exists()
    os.close(locked)
    there = {path.name.removeprefix(PREFIX) for path in tmp_path.iterdir()}
    assert there == {"new", "other's", "elsewhere"}
