"""Wall clocks that somebody moves, at verifiers and at their issuer: the bound does not know them.

What else they decide they do decide: a token is refused while its `exp` or `iat` is not in this
clock's present, and one that names a list which its issuer's clock says is over, while it says so.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import live
from network import fleet as fleets
from network.checking import PASSED, uptime
from network.judging import until
from network.wall_clock import wall_clock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from network.fleet import Fleet
    from network.issuers import Issuer
    from network.judging import Judge

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
# Back and forth: as NTP mends it, as somebody mistakes it, as a flat battery leaves it.
JUMPS: Final = (MINUTE // 2, -MINUTE // 2, 4 * MINUTE, -4 * MINUTE, HOUR, -HOUR, 48 * HOUR, -HOUR)
NAMES: Final = tuple(f"{number}-{jump}" for number, jump in enumerate(JUMPS))
STAY: Final = 0.3
# Not the answer's own word: that is less where, by the issuer's clock, the token has died by then.
BOUND: Final = 1.0
NOT_ITS_TIME: Final = {"credential_expired", "credential_malformed"}


def test_a_verifier_whose_clock_jumps(tmp_path: Path, shared: Issuer, judge: Judge) -> None:
    """Somebody is signed out after each jump. Honest tokens are refused for their time only, and
    pass as soon as the clock is right again, for what is known did not age with it."""
    clock = wall_clock(tmp_path)
    devices = shared.devices("honest", *NAMES)
    with fleets.fleet(tmp_path / "logs", **clock.environment) as fleet:
        checker = fleet.start("jumping", shared.url)
        checker.watch(devices)
        checker.wait(PASSED)
        began = uptime()
        for name, jump in zip(NAMES, JUMPS, strict=True):
            clock.set(jump)
            judge.sign_out(name, devices[name])
            until(uptime() + STAY)
        clock.set(0)
        right = uptime()
        checker.wait(PASSED, "honest")
        checker.wait("session_revoked", *NAMES)
        until(judge.acknowledged[NAMES[-1]].over + STAY)
        judge.require_bound(checker)
    refused = {code for _, code in judge.refused(checker, since=began, until=right)}
    assert refused >= NOT_ITS_TIME, "the clock did not move"
    assert refused <= NOT_ITS_TIME | {"status_stale"}
    after = judge.honest(checker, since=right)
    assert sum(check.said == PASSED for check in after) > 0.8 * len(after) > 0


def test_an_issuer_whose_clock_jumps(
    tmp_path: Path, made: Path, fleet: Fleet, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is signed out after each jump, and somebody else signs in, who is signed out when
    the clock is right again. Then whoever signs in passes."""
    clock = wall_clock(tmp_path)
    data = tmp_path / "data"
    shutil.copytree(made, data)
    data.chmod(0o700)
    for name, text in clock.environment.items():
        monkeypatch.setenv(name, text)
    with live.process(data, anew=True, max_staleness=1, log_level="warning") as (site, _):
        person = site.person()
        devices = {name: person.sign_in("api") for name in NAMES}
        checker = fleet.start("jumping", site.url)
        checker.watch(devices)
        checker.wait(PASSED)
        new = {}
        for name, jump in zip(NAMES, JUMPS, strict=True):
            clock.set(jump)
            judge.sign_out(name, devices[name], within=BOUND)
            new[f"new-{name}"] = person.sign_in("api")
            checker.watch({f"new-{name}": new[f"new-{name}"]})
            until(uptime() + STAY)
        clock.set(0)
        for name, device in new.items():
            judge.sign_out(name, device, within=BOUND)
        checker.watch({"honest": person.sign_in("api")})
        checker.wait(PASSED, "honest")
        until(max(each.over for each in judge.acknowledged.values()) + STAY)
        judge.require_bound(checker)
    assert {check.said for check in checker.checks_of(*new)} >= NOT_ITS_TIME
