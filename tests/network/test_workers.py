"""Several workers at either end: of the server, and of the service that checks; nginx between."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import pytest

import live
from cli import terminal
from network.caches import Caches, caches
from network.checking import PASSED, uptime
from network.judging import Revoking, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.terminal import Served
    from network.fleet import Fleet
    from network.judging import Judge

WORKERS: Final = 4
A_BIT: Final = 0.3
QUICK: Final = 0.25  # seconds; milliseconds on a machine that has nothing else to do


@pytest.fixture(scope="module")
def served(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("workers")
    shutil.copytree(made, folder / "data")
    (folder / "data").chmod(0o700)
    options = ("--dev", "--workers", str(WORKERS), "--max-staleness", "1s")
    served = terminal.start(folder, *options)
    yield served
    assert served.stop() == 0


@pytest.fixture(scope="module")
def site(served: Served) -> live.Site:
    return live.Site(int(served.url.rpartition(":")[2]), served.data, served.demo_password)


@pytest.fixture(scope="module")
def nginx(site: live.Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caches]:
    with caches(tmp_path_factory.mktemp("before-workers") / "nginx", site.port) as nginx:
        yield nginx


def test_every_worker_keeps_the_bound(
    site: live.Site, served: Served, nginx: Caches, fleet: Fleet, judge: Judge
) -> None:
    """Signed out at any worker of the server, refused at every worker of a service, whether that
    forks before or after it has a Verifier; a worker that is killed meanwhile changes nothing."""
    person = site.person()
    victims = {f"victim-{number}": person.sign_in("api") for number in range(12)}
    honest = {"honest": person.sign_in("api")}
    checkers = [
        fleet.start("plain", site.url),
        fleet.start("plain-through-nginx", site.url, port=nginx.greedy),
        fleet.start("forked-after", site.url, workers=WORKERS, shared=True),
        fleet.start("forked-before", site.url, workers=WORKERS, port=nginx.ordinary),
    ]
    for checker in checkers:
        checker.watch(victims | honest)
    for checker in checkers:
        checker.wait(PASSED)
    began = uptime()
    with Revoking(judge, victims, every=0.15):
        until(began + 0.8)
        os.kill(workers_of(served)[0], signal.SIGKILL)
    for checker in checkers:
        checker.wait("session_revoked", *victims)
        checker.wait(PASSED, *honest)
    until(max(each.over for each in judge.acknowledged.values()) + A_BIT)
    judge.require_bound(*checkers)
    for checker in checkers:
        checks = judge.honest(checker, since=began)
        assert sum(check.said == PASSED for check in checks) > 0.8 * len(checks) > 0
        assert median(judge.delays(checker)) < QUICK


def workers_of(served: Served) -> list[int]:
    """The processes that answer: each was started by the one that was started here."""
    main = str(served.process.pid)
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parent = status.read_text().rpartition(")")[2].split()[1]
            found += [int(status.parent.name)] * (parent == main)
    assert len(found) == WORKERS
    return found
