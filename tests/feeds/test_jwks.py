"""The issuer's keys at a verifier: what replaces them, how long they last, when they are fetched.

Who fetches them is tested in test_http.py.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from counterfoil.errors import IssuerUnavailable, KeysStale
from counterfoil.feeds import fetch, jwks
from counterfoil.feeds.jwks import IssuerKeys
from counterfoil.testing.clock import FrozenClock
from feeding import KIDS, TERMS
from forging import KEYS, NOW, PUBLIC

if TYPE_CHECKING:
    from counterfoil.keys import PublicKeySet

JWKS: Final = PUBLIC.to_jwks()
URL: Final = "https://app.example/.well-known/jwks.json"
ES256: Final = PUBLIC.get(KEYS.active("ES256").kid)
REST: Final = KEYS.distrust(KEYS.active("ES256").kid, now=NOW).public()
MAX_AGE: Final = timedelta(hours=1)
REFETCH: Final = timedelta(seconds=jwks.EVERY)
COOL_DOWN: Final = timedelta(seconds=jwks.COOL_DOWN)
SECOND: Final = timedelta(seconds=1)


@dataclass
class Verifier:
    """The keys of one, its clock, and how often its thread would have been woken."""

    max_age: timedelta = MAX_AGE
    clock: FrozenClock = field(default_factory=FrozenClock)
    woken: int = 0
    keys: IssuerKeys = field(init=False)

    def __post_init__(self) -> None:
        chance = Random(17)  # noqa: S311 - the same in each run
        self.keys = IssuerKeys(URL, max_age=self.max_age, clock=self.clock, chance=chance)
        self.keys.wake = self._wake

    def _wake(self) -> None:
        self.woken += 1

    def fetch(self, answer: Any = JWKS, *, status: int = 200) -> str:
        """The keys are asked for, and this is what comes."""
        url = self.keys.begin()
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.keys.answered(status, body)
        return url

    @property
    def current(self) -> PublicKeySet:
        return self.keys.current(uptime=self.clock.uptime())

    @property
    def is_stale(self) -> bool:
        try:
            return self.current is None
        except KeysStale:
            return True


@pytest.fixture
def verifier() -> Verifier:
    return Verifier()


def test_before_the_first_fetch_nothing_is_known(verifier: Verifier) -> None:
    """Cannot know is not no."""
    with pytest.raises(KeysStale, match="not been fetched yet"):
        assert verifier.current
    assert verifier.keys.for_status() is None
    assert verifier.keys.due_in() < 0
    assert verifier.keys.age(uptime=verifier.clock.uptime()) == float("inf")
    assert not verifier.keys.is_fresh()
    verifier.fetch()
    assert verifier.current == verifier.keys.for_status() == PUBLIC
    assert verifier.keys.is_fresh()


def test_keys_are_relied_on_for_their_greatest_age_and_not_longer(verifier: Verifier) -> None:
    """A stolen key is not trusted for ever by cutting the line."""
    verifier.fetch()
    verifier.clock.advance(MAX_AGE - timedelta(microseconds=1))
    verifier.fetch(status=503)
    assert verifier.current == PUBLIC
    verifier.clock.advance(timedelta(microseconds=1))
    with pytest.raises(KeysStale) as caught:
        assert verifier.current
    assert not verifier.keys.is_fresh()
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= SECOND


def test_the_age_counts_from_when_the_request_was_sent(verifier: Verifier) -> None:
    """An answer that was long on its way is as old as its question."""
    verifier.keys.begin()
    verifier.clock.advance(MAX_AGE - SECOND)
    verifier.keys.took(json.dumps(JWKS).encode())
    assert verifier.current == PUBLIC
    assert verifier.keys.age(uptime=verifier.clock.uptime()) == (MAX_AGE - SECOND).total_seconds()
    verifier.clock.advance(SECOND)
    assert verifier.is_stale


def members(**changes: object) -> dict[str, object]:
    assert ES256 is not None
    return {"keys": [{**ES256.to_jwk(), **changes}]}


BAD: Final = {
    "not JSON": b"<html>",
    "a list": [],
    "no keys": {"keys": []},
    "no list": {"keys": {}},
    "repeated members": b'{"keys": [], "keys": []}',
    "one kid twice": {"keys": JWKS["keys"] + JWKS["keys"][:1]},
    "a private key": members(d="AAAA"),
    "a weak key": members(x="A" * 43),
    "only keys for status": members(counterfoil_purpose="status"),
    "only keys for encryption": members(use="enc"),
    "too many keys": {"keys": [{}] * 65},
    "too long": b" " * fetch.LIMIT + json.dumps(JWKS).encode(),
    "cut short": json.dumps(JWKS).encode()[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_j6_a_bad_answer_never_replaces_a_good_set(verifier: Verifier, answer: object) -> None:
    """CVE-2026-48524: an outage is no reason to forget; nor does it make the keys younger."""
    verifier.fetch()
    verifier.clock.advance(MAX_AGE - SECOND)
    verifier.fetch(answer)
    assert verifier.current == PUBLIC
    verifier.clock.advance(SECOND)
    assert verifier.is_stale
    verifier.fetch(REST.to_jwks())
    assert verifier.current == REST


@pytest.mark.parametrize("status", [204, 206, 301, 304, 404, 500, 503])
def test_j6_only_200_replaces_a_good_set(verifier: Verifier, status: int) -> None:
    """Whatever comes with another status."""
    verifier.fetch()
    verifier.fetch(REST.to_jwks(), status=status)
    assert verifier.current == PUBLIC
    assert str(status) in verifier.keys.failure


def test_keys_that_did_not_change_stay_the_same_object(verifier: Verifier) -> None:
    """So that what was verified under them need not be verified again."""
    verifier.fetch()
    first = verifier.current
    verifier.clock.advance(MAX_AGE - SECOND)
    verifier.fetch()
    verifier.clock.advance(MAX_AGE - SECOND)
    assert verifier.current is first
    verifier.keys.follow(TERMS, "digest", known_at=verifier.clock.uptime())
    assert verifier.current is first


@pytest.mark.parametrize(("max_age", "every"), [(MAX_AGE, REFETCH), (60 * SECOND, 20 * SECOND)])
def test_keys_are_fetched_again_within_the_interval(max_age: timedelta, every: timedelta) -> None:
    """A distrusted key is refused within 5 minutes; jitter only makes it sooner. A check notices
    that it is time, also after a suspend that the thread slept through."""
    verifier = Verifier(max_age)
    verifier.fetch()
    verifier.clock.advance(0.79 * every)
    assert verifier.current
    assert (verifier.woken, verifier.keys.due_in() > 0) == (0, True)
    verifier.clock.advance(0.21 * every)
    assert verifier.current
    assert (verifier.woken, verifier.keys.due_in() > 0) == (1, False)


@pytest.mark.parametrize("had", [False, True], ids=["never", "once"])
def test_who_has_no_keys_to_rely_on_goes_on_asking(verifier: Verifier, *, had: bool) -> None:
    """Nobody is let in before they come: at most two seconds after the issuer is back."""
    if had:
        verifier.fetch()
        verifier.clock.advance(MAX_AGE)
    pauses = []
    for _ in range(10):
        verifier.keys.begin()
        verifier.keys.failed(IssuerUnavailable("It is down."))
        pauses.append(verifier.keys.due_in())
    assert pauses[0] <= 0.5
    assert all(1 <= pause <= 2 for pause in pauses[3:])


def test_an_issuer_that_is_down_is_asked_less_and_less(
    verifier: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    """At first again within half a second, in the end once a minute; and it is logged once."""
    verifier.fetch()
    pauses = []
    with caplog.at_level(logging.WARNING, "counterfoil.verifier"):
        for _ in range(10):
            verifier.keys.begin()
            verifier.keys.failed(IssuerUnavailable("It is down."))
            pauses.append(verifier.keys.due_in())
    assert pauses[0] <= 0.5
    assert all(0.25 <= pause <= 60 for pause in pauses)
    assert min(pauses[7:]) >= 30
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert verifier.keys.failure.endswith(f"cannot be fetched from {URL}: It is down.")
    verifier.fetch()
    assert verifier.keys.due_in() > 60


def test_unknown_kids_fetch_again_but_cannot_flood(verifier: Verifier) -> None:
    """J6: however many there are, one fetch, and not within 10 s of the last."""
    verifier.fetch()
    for _ in range(1000):
        verifier.keys.miss()
    assert verifier.woken == 1
    assert verifier.keys.due_in() == jwks.COOL_DOWN
    verifier.clock.advance(COOL_DOWN)
    assert verifier.keys.due_in() == 0
    verifier.fetch()
    assert verifier.keys.due_in() > jwks.COOL_DOWN


def test_a_kid_that_was_missed_while_keys_are_fetched_is_not_forgotten(verifier: Verifier) -> None:
    """What comes may have been written before the key was."""
    verifier.keys.begin()
    verifier.keys.miss()
    verifier.keys.took(json.dumps(JWKS).encode())
    assert verifier.keys.due_in() == jwks.COOL_DOWN


def test_an_unknown_kid_does_not_wait_where_nothing_was_fetched_lately(verifier: Verifier) -> None:
    """The one key of an issuer that had to replace its keys at once is known soon."""
    verifier.fetch()
    verifier.clock.advance(COOL_DOWN + SECOND)
    verifier.keys.miss()
    assert verifier.woken == 1
    assert verifier.keys.due_in() <= 0


FEWER: Final = replace(TERMS, kids=frozenset(key.kid for key in REST))


def test_what_the_feed_does_not_name_is_not_trusted(verifier: Verifier) -> None:
    """At once, though it is published still; and for as long as no newer word brings it back."""
    verifier.fetch()
    verifier.keys.follow(FEWER, "fewer", known_at=verifier.clock.uptime())
    assert verifier.current.get(KEYS.active("ES256").kid) is None
    verifier.fetch()
    verifier.clock.advance(timedelta(minutes=30))
    assert verifier.current.get(KEYS.active("ES256").kid) is None
    verifier.keys.follow(TERMS, "all", known_at=verifier.clock.uptime())
    assert verifier.current == PUBLIC


def test_what_the_feed_says_of_keys_counts_for_a_minute(verifier: Verifier) -> None:
    """From when it was asked. Then a key that is new there is believed as it is published, and one
    that was disowned is not."""
    kid = KEYS.active("RS256").kid
    verifier.fetch(REST.to_jwks())
    known = replace(TERMS, kids=FEWER.kids - {kid})
    verifier.keys.follow(known, "known", known_at=verifier.clock.uptime() - 9)
    verifier.fetch()
    assert {key.kid for key in verifier.current} == known.kids & KIDS
    verifier.clock.advance(timedelta(seconds=jwks.RELIED_ON - 9))
    assert {key.kid for key in verifier.current} == KIDS - {kid}


def test_a_key_that_only_the_feed_knows_is_fetched_at_once(verifier: Verifier) -> None:
    """Under an address of its own, so that no cache on the way says what it said before."""
    verifier.fetch(REST.to_jwks())
    for _ in range(3):
        verifier.keys.follow(TERMS, "all", known_at=verifier.clock.uptime())
        assert verifier.keys.due_in() == 0
    assert verifier.fetch(REST.to_jwks()) == f"{URL}?terms=all"
    verifier.keys.follow(TERMS, "all", known_at=verifier.clock.uptime())
    assert verifier.keys.due_in() > 0
    more = replace(TERMS, kids=KIDS | {"new"})
    verifier.keys.follow(more, "more", known_at=verifier.clock.uptime())
    assert verifier.fetch() == f"{URL}?terms=more"


def test_a_key_that_the_answer_lacks_is_asked_for_again_but_not_for_ever(
    verifier: Verifier,
) -> None:
    """The answer may come from a node that has not heard of the key; or nobody publishes it."""
    more = replace(TERMS, kids=KIDS | {"new"})
    verifier.fetch()
    verifier.keys.follow(more, "more", known_at=verifier.clock.uptime())
    assert verifier.fetch() == f"{URL}?terms=more"
    for _ in range(3):
        assert 0 < verifier.keys.due_in() <= 10
        verifier.clock.advance(10 * SECOND)
        assert verifier.fetch().startswith(f"{URL}?fresh=")
        verifier.keys.follow(more, "more", known_at=verifier.clock.uptime())
    assert verifier.keys.due_in() > 200


def test_what_was_not_done_to_its_end_is_done_again(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a process that was forked in the middle of it."""
    verifier.fetch()
    with monkeypatch.context() as broken:
        broken.setattr(jwks, "_same", None)
        with pytest.raises(TypeError):
            verifier.keys.follow(FEWER, "fewer", known_at=verifier.clock.uptime())
    verifier.keys.follow(FEWER, "fewer", known_at=verifier.clock.uptime())
    assert verifier.current.get(KEYS.active("ES256").kid) is None
