"""nginx with caching on between verifiers and their issuer."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

import pytest
from jwt import get_unverified_header

from network.caches import Caches, caches
from network.checking import PASSED, uptime
from network.judging import Revoking, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from network.fleet import Checker, Fleet
    from network.issuers import Issuer
    from network.judging import Judge

KINDS: Final = ("ordinary", "greedy")
A_BIT: Final = 0.3
QUICK: Final = 0.25  # seconds; milliseconds on a machine that has nothing else to do


@pytest.fixture(scope="module")
def nginx(shared: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caches]:
    with caches(tmp_path_factory.mktemp("caches") / "nginx", shared.site.port) as nginx:
        yield nginx


def checkers_behind(nginx: Caches, issuer: Issuer, fleet: Fleet) -> list[Checker]:
    return [fleet.start(kind, issuer.url, port=getattr(nginx, kind)) for kind in KINDS]


def test_revocations_are_seen_through_a_cache(
    shared: Issuer, nginx: Caches, fleet: Fleet, judge: Judge
) -> None:
    """Within the bound always, and usually at once; no honest token is refused. Questions are held
    as long as without it, and what is cached is what may be."""
    victims = shared.devices(*(f"victim-{number}" for number in range(8)))
    honest = shared.devices("honest")
    checkers = checkers_behind(nginx, shared, fleet)
    for checker in checkers:
        checker.watch(victims | honest)
    for checker in checkers:
        checker.wait(PASSED)
    began = uptime()
    with Revoking(judge, victims, every=0.2):
        pass
    for checker in checkers:
        checker.wait("session_revoked", *victims)
    until(max(each.over for each in judge.acknowledged.values()) + A_BIT)
    judge.require_bound(*checkers)
    for checker in checkers:
        checks = judge.honest(checker, since=began)
        assert sum(check.said == PASSED for check in checks) > 0.8 * len(checks) > 0
        assert median(judge.delays(checker)) < QUICK
    for kind in KINDS:
        asked = [each for each in nginx.requests() if each.port == getattr(nginx, kind)]
        feed = [each for each in asked if each.path == "/status/feed"]
        assert {each.status for each in feed} == {200}
        assert sum(each.seconds > 0.2 for each in feed) > 3, "no question was held"
        assert "HIT" not in {each.cached for each in feed}


def test_keys_are_changed_behind_a_cache(
    shared: Issuer, nginx: Caches, fleet: Fleet, judge: Judge
) -> None:
    """A rotation refuses no honest token. What a distrusted key has signed is refused within the
    bound, and what the next one signs passes, at verifiers that know and at those that begin with
    keys that a cache has kept from before."""
    before = shared.devices("before", "victim")
    checkers = checkers_behind(nginx, shared, fleet)
    for checker in checkers:
        checker.watch(before)
    for checker in checkers:
        checker.wait(PASSED)
    admin = shared.site.administrator()
    rotated = admin.call("POST", "/v1/admin/keys/rotate", {"algorithm": "ES256"})
    assert rotated.status == 200
    began = uptime()
    after = shared.devices("after")
    for checker in checkers:
        checker.watch(after)
    judge.sign_out("victim", before["victim"])
    for checker in checkers:
        checker.wait(PASSED, "before", "after")
        checker.wait("session_revoked", "victim")
        refused = judge.refused(checker, since=began)
        assert {code for _, code in refused} <= {"status_stale"}

    kid = get_unverified_header(after["after"].token)["kid"]
    assert kid != get_unverified_header(before["before"].token)["kid"]
    sent = uptime()
    answer = admin.call("POST", f"/v1/admin/keys/{kid}/distrust")
    assert answer.status == 200
    judge.remember("after", sent, uptime(), 1.0)
    renewed = shared.devices("renewed")
    checkers += [
        fleet.start(f"cold-{kind}", shared.url, port=getattr(nginx, kind)) for kind in KINDS
    ]
    for checker in checkers[2:]:
        checker.watch(before | after)
    for checker in checkers:
        checker.watch(renewed)
        checker.wait(PASSED, "before", "renewed")
        checker.wait("key_unknown", "after")
    until(judge.acknowledged["after"].over + A_BIT)
    judge.require_bound(*checkers)
    keys = [each for each in nginx.requests() if each.path == "/.well-known/jwks.json"]
    assert {"MISS", "HIT"} <= {each.cached for each in keys}, "nothing was cached"
