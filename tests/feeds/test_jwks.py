"""The issuer's keys at a verifier: what replaces them, how long they last, who fetches them."""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from weakref import ref

import pytest

from counterfoil.clock import SystemClock
from counterfoil.errors import IssuerUnavailable, KeysStale
from counterfoil.feeds import fetch, jwks
from counterfoil.feeds.jwks import IssuerKeys
from counterfoil.testing.clock import FrozenClock
from forging import KEYS, NOW, PUBLIC
from serving import answering, bytes_of, saying, saying_json, until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from counterfoil.clock import Clock
    from counterfoil.keys import PublicKeySet
    from serving import Server

JWKS = PUBLIC.to_jwks()
ES256 = PUBLIC.get(KEYS.active("ES256").kid)
REST = KEYS.distrust(KEYS.active("ES256").kid, now=NOW).public()
MAX_AGE = timedelta(hours=1)
REFETCH = timedelta(seconds=jwks.EVERY)
COOL_DOWN = timedelta(seconds=jwks.COOL_DOWN)
SECOND = timedelta(seconds=1)
SOON = timedelta(seconds=5)


class Asleep:
    """Stands for the thread, and only counts how often it would have been woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def add(self, _: IssuerKeys) -> None:
        """Follows nobody."""

    remove = add


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> Asleep:
    thread = Asleep()
    monkeypatch.setattr(jwks, "_follower", lambda: thread)
    return thread


@contextmanager
def keys_of(
    server: Server, clock: Clock, *, max_age: timedelta = MAX_AGE, timeout: timedelta = SOON
) -> Iterator[IssuerKeys]:
    keys = IssuerKeys(f"{server.url}/keys", max_age=max_age, timeout=timeout, clock=clock)
    try:
        yield keys
    finally:
        keys.leave()


def current(keys: IssuerKeys, clock: Clock) -> PublicKeySet:
    return keys.current(uptime=clock.uptime())


def is_stale(keys: IssuerKeys, clock: Clock) -> bool:
    try:
        current(keys, clock)
    except KeysStale:
        return True
    return False


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == jwks.THREAD]


@pytest.mark.usefixtures("asleep")
def test_before_the_first_fetch_nothing_is_known() -> None:
    """Cannot know is not no."""
    clock = FrozenClock()
    with answering(saying_json(JWKS)) as server, keys_of(server, clock) as keys:
        with pytest.raises(KeysStale, match="not been fetched yet"):
            current(keys, clock)
        keys.fetch()
        assert current(keys, clock) == PUBLIC


@pytest.mark.usefixtures("asleep")
def test_keys_are_relied_on_for_their_greatest_age_and_not_longer() -> None:
    """A stolen key is not trusted for ever by cutting the line."""
    clock = FrozenClock()
    with answering(saying_json(JWKS)) as server, keys_of(server, clock) as keys:
        keys.fetch()
    clock.advance(MAX_AGE - timedelta(microseconds=1))
    keys.fetch()
    assert current(keys, clock) == PUBLIC
    clock.advance(timedelta(microseconds=1))
    with pytest.raises(KeysStale) as caught:
        current(keys, clock)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= SECOND


@pytest.mark.usefixtures("asleep")
def test_the_age_counts_from_when_the_request_was_sent() -> None:
    """An answer that was long on its way is as old as its question."""
    clock = FrozenClock()

    def late(connection: socket.socket, head: str) -> None:
        clock.advance(MAX_AGE - SECOND)
        saying_json(JWKS)(connection, head)

    with answering(late) as server, keys_of(server, clock) as keys:
        keys.fetch()
        assert current(keys, clock) == PUBLIC
        clock.advance(SECOND)
        assert is_stale(keys, clock)


def members(**changes: object) -> bytes:
    assert ES256 is not None
    return json.dumps({"keys": [{**ES256.to_jwk(), **changes}]}).encode()


BAD = {
    "500": bytes_of(b"{}", status=500),
    "a redirect": bytes_of(b"{}", status=302, headers=("Location: /keys",)),
    "not JSON": bytes_of(b"<html>"),
    "a list": bytes_of(b"[]"),
    "no keys": bytes_of(b'{"keys": []}'),
    "no list": bytes_of(b'{"keys": {}}'),
    "repeated members": bytes_of(b'{"keys": [], "keys": []}'),
    "one kid twice": bytes_of(json.dumps({"keys": JWKS["keys"] + JWKS["keys"][:1]}).encode()),
    "a private key": bytes_of(members(d="AAAA")),
    "a weak key": bytes_of(members(x="A" * 43)),
    "only keys for status": bytes_of(members(counterfoil_purpose="status")),
    "only keys for encryption": bytes_of(members(use="enc")),
    "too many keys": bytes_of(json.dumps({"keys": [{}] * 65}).encode()),
    "too long": bytes_of(b" " * fetch.LIMIT + json.dumps(JWKS).encode()),
    "cut short": bytes_of(json.dumps(JWKS).encode()[:-1]),
    "nothing": b"",
}


@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_j6_a_bad_answer_never_replaces_a_good_set(answer: bytes) -> None:
    """CVE-2026-48524: an outage is no reason to forget; nor does it make the keys younger."""
    clock = FrozenClock()
    with answering(saying_json(JWKS)) as server, keys_of(server, clock) as keys:
        keys.fetch()
        server.reply = saying(answer)
        clock.advance(MAX_AGE - SECOND)
        keys.fetch()
        assert current(keys, clock) == PUBLIC
        clock.advance(SECOND)
        assert is_stale(keys, clock)
        server.reply = saying_json(REST.to_jwks())
        keys.fetch()
        assert current(keys, clock) == REST


@pytest.mark.usefixtures("asleep")
def test_keys_that_did_not_change_stay_the_same_object() -> None:
    """So that what was verified under them need not be verified again."""
    clock = FrozenClock()
    with answering(saying_json(JWKS)) as server, keys_of(server, clock) as keys:
        keys.fetch()
        first = current(keys, clock)
        clock.advance(MAX_AGE - SECOND)
        keys.fetch()
        clock.advance(MAX_AGE - SECOND)
        assert current(keys, clock) is first


@pytest.mark.parametrize(("max_age", "every"), [(MAX_AGE, REFETCH), (60 * SECOND, 20 * SECOND)])
def test_keys_are_fetched_again_within_the_interval(
    asleep: Asleep, max_age: timedelta, every: timedelta
) -> None:
    """A distrusted key is refused within 5 minutes; jitter only makes it sooner. A check notices
    that it is time, also after a suspend that the thread slept through."""
    clock = FrozenClock()
    with answering(saying_json(JWKS)) as server, keys_of(server, clock, max_age=max_age) as keys:
        keys.fetch()
        clock.advance(0.79 * every)
        current(keys, clock)
        assert (asleep.woken, keys.due_in() > 0) == (0, True)
        clock.advance(0.21 * every)
        current(keys, clock)
        assert (asleep.woken, keys.due_in() > 0) == (1, False)


@pytest.mark.usefixtures("asleep")
def test_an_issuer_that_is_down_is_asked_less_and_less(caplog: pytest.LogCaptureFixture) -> None:
    """At first again within half a second, in the end once a minute; and it is logged once."""
    clock = FrozenClock()
    pauses = []
    with answering(saying(b"")) as server, keys_of(server, clock) as keys:
        with caplog.at_level(logging.WARNING, "counterfoil.verifier"):
            for _ in range(10):
                keys.fetch()
                pauses.append(keys.due_in())
        assert pauses[0] <= 0.5
        assert all(0.25 <= pause <= 60 for pause in pauses)
        assert min(pauses[7:]) >= 30
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        server.reply = saying_json(JWKS)
        keys.fetch()
        assert keys.due_in() > 60


def test_unknown_kids_fetch_again_but_cannot_flood(asleep: Asleep) -> None:
    """J6: however many there are, one fetch, and not within 10 s of the last."""
    clock = FrozenClock()
    with answering(saying_json(JWKS)) as server, keys_of(server, clock) as keys:
        keys.fetch()
        for _ in range(1000):
            keys.miss()
        assert asleep.woken == 1
        assert keys.due_in() == jwks.COOL_DOWN
        clock.advance(COOL_DOWN)
        assert keys.due_in() == 0
        keys.fetch()
        assert keys.due_in() > jwks.COOL_DOWN


def test_an_unknown_kid_does_not_wait_where_nothing_was_fetched_lately(asleep: Asleep) -> None:
    """The one key of an issuer that had to replace its keys at once is known soon."""
    clock = FrozenClock()
    with answering(saying_json(JWKS)) as server, keys_of(server, clock) as keys:
        keys.fetch()
        clock.advance(COOL_DOWN + SECOND)
        keys.miss()
        assert asleep.woken == 1
        assert keys.due_in() <= 0


def test_waiting_ends_with_the_first_keys() -> None:
    """Also when the issuer starts only after the verifier: it is asked again meanwhile."""
    clock = SystemClock()
    with answering(saying(b"")) as server, keys_of(server, clock) as keys:

        def come_up() -> None:
            until(lambda: server.asked)
            server.reply = saying_json(JWKS)

        threading.Thread(target=come_up, daemon=True).start()
        keys.wait()
        assert current(keys, clock) == PUBLIC
    assert len(server.asked) > 1


def test_waiting_ends_with_the_timeout_and_says_why() -> None:
    """The reason is that of the last attempt."""
    timeout = timedelta(seconds=0.3)
    with answering(saying(bytes_of(b"", status=500))) as server:
        began = time.monotonic()
        with (
            keys_of(server, SystemClock(), timeout=timeout) as keys,
            pytest.raises(IssuerUnavailable, match="answered 500"),
        ):
            keys.wait()
    assert time.monotonic() - began < 1


def test_one_thread_fetches_for_all_and_ends_with_the_last() -> None:
    """The documented daemon thread; no thread per verifier, call or request."""
    clock = SystemClock()
    with answering(saying_json(JWKS)) as server, answering(saying_json(JWKS)) as other:
        with keys_of(server, clock) as one, keys_of(other, clock) as two:
            one.wait()
            two.wait()
            assert [thread.daemon for thread in threads()] == [True]
        until(lambda: not threads())
        with keys_of(server, clock) as three:
            three.wait()
            assert len(threads()) == 1


def test_a_verifier_that_nobody_holds_is_followed_no_more() -> None:
    """One that was made for each request by mistake must not add up."""
    clock = SystemClock()
    with answering(saying_json(JWKS)) as server:
        keys = IssuerKeys(f"{server.url}/keys", max_age=MAX_AGE, timeout=SOON, clock=clock)
        keys.wait()
        held = ref(keys)
        del keys
        until(lambda: gc.collect() >= 0 and held() is None)


def test_a_thread_that_died_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What kills it is a bug; that must not end in an outage."""
    clock = FrozenClock()
    read: Callable[[bytes], PublicKeySet] = jwks._read  # noqa: SLF001 - the bug is put here
    monkeypatch.setattr(jwks, "_read", lambda body: 1 / 0 if b"die" in body else read(body))
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with answering(saying_json(JWKS)) as server, keys_of(server, clock) as keys:
        keys.wait()
        server.reply = saying(bytes_of(b"die"))
        clock.advance(REFETCH)
        current(keys, clock)
        until(lambda: not threads())
        server.reply = saying_json(REST.to_jwks())
        clock.advance(SECOND)
        until(lambda: current(keys, clock) == REST)


FORKING = """
import os, sys, threading
from datetime import timedelta
from counterfoil.clock import SystemClock
from counterfoil.feeds import jwks

jwks.COOL_DOWN = 0.1

def keys_known():
    return len(keys.current(uptime=clock.uptime()))

clock = SystemClock()
age = timedelta(hours=1)
keys = jwks.IssuerKeys(sys.argv[1], max_age=age, timeout=timedelta(seconds=5), clock=clock)
keys.wait()
# The moment at which forks go wrong: somebody holds the lock.
with jwks._follower()._changed:
    child = os.fork()
if not child:
    print(keys_known(), [thread.name for thread in threading.enumerate()], flush=True)
    keys.miss()
    os.read(0, 1)
    os._exit(0)
os.waitpid(child, 0)
"""


def test_the_thread_starts_again_after_a_fork() -> None:
    """A worker that was forked knows the keys at once and goes on fetching; it hangs on no lock."""
    with answering(saying_json(JWKS)) as server:
        command = [sys.executable, "-W", "ignore", "-c", FORKING, f"{server.url}/keys"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{len(PUBLIC)} ['MainThread', '{jwks.THREAD}']\n"
            until(lambda: len(server.asked) == 2)
            process.communicate("x")
