"""Issuers that are stopped, killed, paused and started again, and verifiers that stand still."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from network import issuers
from network.checking import PASSED, uptime
from network.fleet import paused
from network.judging import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import live
    from network.fleet import Checker, Fleet
    from network.issuers import Issuer
    from network.judging import Judge

BOUND: Final = 1.0
A_BIT: Final = 0.3
RECOVERED: Final = 10.0


@pytest.fixture(scope="module", params=["server", "application"])
def issuer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, made: Path
) -> Iterator[Issuer]:
    """One that a test may do with as it likes, so long as it runs in the end."""
    folder = tmp_path_factory.mktemp(request.param)
    with issuers.issuer(folder / "data", made, kind=request.param) as issuer:
        yield issuer


# What is the network's and the verifier's is the same before an application.
OF_A_SERVER: Final = pytest.mark.parametrize("issuer", ["server"], indirect=True)


def checked(issuer: Issuer, fleet: Fleet, *names: str) -> tuple[Checker, dict[str, live.Device]]:
    """A verifier that knows, and whom it accepts: these, and `honest`."""
    devices = issuer.devices("honest", *names)
    checker = fleet.start(issuer.kind, issuer.url)
    checker.watch(devices)
    checker.wait(PASSED)
    return checker, devices


@contextmanager
def outage(judge: Judge, checker: Checker) -> Iterator[None]:
    """Nobody answers while it lasts, which is for longer than the bound: honest tokens pass for a
    while, for what was last heard is young, and are then refused with status_stale."""
    known = uptime()
    yield
    until(known + BOUND + 2 * A_BIT)
    healed = uptime()
    goes_on = judge.honest(checker, since=known, until=known + BOUND / 3)
    assert {check.said for check in goes_on} <= {PASSED}
    stale = judge.honest(checker, since=known + BOUND + A_BIT, until=healed)
    assert {check.said for check in stale if check.token == "honest"} == {"status_stale"}


def require_recovered(judge: Judge, checker: Checker, *revoked: str) -> None:
    """It soon accepts the honest and knows who was revoked, and has let nobody through."""
    checker.wait(PASSED, "honest", within=RECOVERED)
    checker.wait("session_revoked", *revoked)
    until(max(judge.acknowledged[name].over for name in revoked) + A_BIT)
    judge.require_bound(checker)


@OF_A_SERVER
def test_a_paused_issuer(issuer: Issuer, fleet: Fleet, judge: Judge) -> None:
    """Who asked it to be signed out meanwhile is told so when it goes on, and refused from then on
    within the bound."""
    checker, devices = checked(issuer, fleet, "patient", "later")
    asking = threading.Thread(target=judge.sign_out, args=("patient", devices["patient"]))
    with paused(issuer.pid), outage(judge, checker):
        asking.start()
    asking.join()
    judge.sign_out("later", devices["later"])
    require_recovered(judge, checker, "patient", "later")


def test_a_stopped_issuer(issuer: Issuer, fleet: Fleet, judge: Judge) -> None:
    """Revoked on its store, while nobody can tell the verifiers: they refuse for not knowing, and
    later for knowing."""
    checker, devices = checked(issuer, fleet, "before", "meanwhile")
    judge.sign_out("before", devices["before"])
    issuer.end(signal.SIGTERM)
    with outage(judge, checker):
        sent = uptime()
        within = issuer.revoke_beside(devices["meanwhile"])
        judge.remember("meanwhile", sent, uptime(), within)
    issuer.start()
    require_recovered(judge, checker, "before", "meanwhile")


def test_an_issuer_killed_right_after_it_acknowledged(
    issuer: Issuer, fleet: Fleet, judge: Judge
) -> None:
    """Again and again: what it said last is so in its next life, at a verifier that lives on and
    at one that starts then."""
    names = [f"life-{number}" for number in range(2)]
    checker, devices = checked(issuer, fleet, *names)
    for name in names:
        judge.sign_out(name, devices[name])
        issuer.end(signal.SIGKILL)
        issuer.start()
        checker.wait("session_revoked", name)
        checker.wait(PASSED, "honest", within=RECOVERED)
    late = fleet.start("late", issuer.url)
    late.watch(devices)
    late.wait("session_revoked", *names)
    assert PASSED not in {check.said for check in late.checks_of(*names)}
    require_recovered(judge, checker, *names)


@OF_A_SERVER
def test_verifiers_that_stood_still(issuer: Issuer, fleet: Fleet, judge: Judge) -> None:
    """For longer than the bound, in which somebody was signed out: the first check after that is
    refused already, and the others recover by themselves."""
    checker, devices = checked(issuer, fleet, "victim", "later")
    with checker.paused():
        over = judge.sign_out("victim", devices["victim"]).over
        until(over + A_BIT)
        woken = uptime()
    checker.wait("session_revoked", "victim")
    first = next(check for check in checker.checks_of("victim") if check.began > woken)
    assert first.said != PASSED
    judge.sign_out("later", devices["later"])
    require_recovered(judge, checker, "victim", "later")
