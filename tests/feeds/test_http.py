"""The thread that carries a verifier's requests, over real sockets: what it makes of a bad wire."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import ref

import pytest

from certificates import certificate
from counterfoil import Verifier, status_feed
from counterfoil.errors import IssuerUnavailable, Overloaded, SessionRevoked, StatusStale
from counterfoil.feeds import fetch, http, jwks
from counterfoil.feeds.following import FEED, JWKS
from counterfoil.status_feed import LIMIT
from limits import no_more_threads
from serving import answering, bytes_of, saying, until
from wired import SECOND, connected, refusal, said, wired

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from counterfoil import Opened
    from nodes import Reply
    from wired import Issuer

MINUTE: Final = timedelta(minutes=1)
HUGE: Final = b"x" * (LIMIT + 1)


def says(verifier: Verifier, opened: Opened, what: type[Exception] | None) -> bool:
    return refusal(verifier, opened) is what


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == http.THREAD]


def files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.fixture(autouse=True)
def _alone() -> None:
    """The thread of no other test is left."""
    if threads():
        gc.collect()
    until(lambda: not threads())


def test_polls_follow_one_another_on_one_line() -> None:
    """And the keys come on one of their own, which is closed after it."""
    with wired(max_staleness=SECOND) as issuer, connected(issuer):
        until(lambda: len(issuer.asked_for(FEED)) > 5)
        assert issuer.lines == 2


def test_a_revocation_is_heard_of_at_once() -> None:
    """Not with the next poll: the one that is out brings it."""
    with wired(max_staleness=MINUTE) as issuer, connected(issuer) as verifier:
        opened = issuer.open()
        assert refusal(verifier, opened) is None
        issuer.revoke(opened)
        until(lambda: refusal(verifier, opened) is SessionRevoked, timeout=5)


def ends_after_each(_: socket.socket, __: str, reply: Reply) -> Reply | None:
    """Says nothing of it, as a server does that was restarted."""
    _.sendall(said(*reply))
    return None


def says_that_it_ends(connection: socket.socket, _: str, reply: Reply) -> Reply | None:
    connection.sendall(said(*reply, "Connection: close"))
    return None


@pytest.mark.parametrize("ends", [ends_after_each, says_that_it_ends])
def test_a_line_that_is_closed_between_two_polls_is_opened_again(
    ends: Callable[[socket.socket, str, Reply], Reply | None],
) -> None:
    """It is no failure: nobody is refused for it."""
    with wired(max_staleness=MINUTE) as issuer:
        issuer.between = ends
        with connected(issuer) as verifier:
            since = verifier.knowledge.connected_since
            for _ in range(5):
                opened = issuer.open()
                issuer.revoke(opened)
                until(partial(says, verifier, opened, SessionRevoked))
            assert verifier.knowledge.connected_since == since
            assert issuer.lines > 5


def drips(issuer: Issuer) -> Callable[[socket.socket, str, Reply], Reply | None]:
    def between(connection: socket.socket, _: str, __: Reply) -> None:
        while not issuer.over.wait(0.02):
            connection.sendall(b"H")

    return between


def dripping_body(issuer: Issuer) -> Callable[[socket.socket, str, Reply], Reply | None]:
    def between(connection: socket.socket, _: str, __: Reply) -> None:
        connection.sendall(said(200, b"", length=100_000))
        while not issuer.over.wait(0.02):
            connection.sendall(b"e")

    return between


SLOW: Final[dict[str, Callable[[Issuer], Callable[[socket.socket, str, Reply], Reply | None]]]] = {
    "half open": lambda issuer: issuer.silent,
    "drips": drips,
    "drips its body": dripping_body,
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW.keys())
def test_an_issuer_that_is_only_half_there_is_given_up_in_time(
    slow: Callable[[Issuer], Callable[[socket.socket, str, Reply], Reply | None]],
) -> None:
    """Checks pass until max_staleness and then refuse, and recover when it answers again."""
    with wired(max_staleness=SECOND) as issuer, connected(issuer) as verifier:
        opened = issuer.open()
        until(lambda: refusal(verifier, opened) is None)
        issuer.at(FEED, slow(issuer))
        until(lambda: refusal(verifier, opened) is StatusStale)
        assert len(issuer.asked_for(FEED)) > 2
        issuer.between = lambda _, __, reply: reply
        until(lambda: refusal(verifier, opened) is None)


BROKEN: Final = {
    "500": said(500, b"{}"),
    "404": said(404, b"{}"),
    "a redirect": said(302, b"", "Location: /status/feed"),
    "not modified": said(304, b""),
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "no token": said(200, b"{}"),
    "empty": said(200, b""),
    "not ASCII": said(200, b"\xff\xfe"),
    "too long": said(200, HUGE),
    "a length that is too long": said(200, b"", length=LIMIT + 1),
    "shorter than its length": said(200, b"short", "Connection: close", length=6),
    "packed": said(200, b"{}", "Content-Encoding: gzip"),
}


def test_whatever_comes_in_place_of_an_answer_is_none() -> None:
    """Each is asked for again; and between them, whenever one is genuine, all is known."""
    with wired() as issuer, connected(issuer) as verifier:
        opened = issuer.open()
        for data in BROKEN.values():

            def between(connection: socket.socket, _: str, __: Reply, data: bytes = data) -> None:
                connection.sendall(data)

            issuer.at(FEED, between)
            issuer.revoke(issuer.open())
            until(lambda: verifier.knowledge.connected_since is None)
            issuer.between = lambda _, __, reply: reply
            until(lambda: verifier.knowledge.connected_since is not None)
            until(lambda: refusal(verifier, opened) is None)
        issuer.revoke(opened)
        until(lambda: refusal(verifier, opened) is SessionRevoked)


def test_s21_an_answer_that_is_said_twice_does_no_lasting_harm() -> None:
    """The second is the answer to no question; it is not taken for that to the next, for ever."""
    with wired(max_staleness=SECOND) as issuer, connected(issuer) as verifier:
        twice = [True]

        def between(connection: socket.socket, _: str, reply: Reply) -> Reply:
            if twice and twice.pop():
                connection.sendall(said(*reply))
            return reply

        issuer.at(FEED, between)
        until(lambda: not twice)
        opened = issuer.open()
        issuer.revoke(opened)
        until(lambda: refusal(verifier, opened) is SessionRevoked)


@pytest.mark.parametrize("answer", [b"", bytes_of(b"", status=500), said(200, b"[]")])
def test_waiting_ends_when_the_issuer_comes_up(answer: bytes) -> None:
    """It is asked again meanwhile."""
    with wired() as issuer:
        reply, issuer.server.reply = issuer.server.reply, saying(answer)

        def come_up() -> None:
            until(lambda: issuer.server.asked)
            issuer.server.reply = reply

        threading.Thread(target=come_up, daemon=True).start()
        with connected(issuer) as verifier:
            assert verifier.knowledge.is_current


def test_waiting_ends_with_the_timeout_and_says_why() -> None:
    """The reason is that of the last attempt."""
    with answering(saying(bytes_of(b"", status=500))) as server:
        verifier = Verifier(issuer=server.url, audience="api", timeout=timedelta(seconds=0.3))
        with pytest.raises(IssuerUnavailable, match=r"keys cannot be fetched.*answered 500"):
            verifier.__enter__()
    with wired() as issuer:
        issuer.at(FEED, lambda *_: (503, b""))
        verifier = Verifier(issuer=issuer.url, audience="api", timeout=timedelta(seconds=0.3))
        with pytest.raises(IssuerUnavailable, match=r"status cannot be read.*answered 503"):
            verifier.__enter__()


def test_keys_are_fetched_while_a_poll_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may be twenty seconds: a key that was replaced is known soon all the same."""
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.05)
    with wired(max_staleness=MINUTE) as issuer, connected(issuer) as verifier:
        until(lambda: issuer.node.published.pump.waiting)
        polls = len(issuer.asked_for(FEED))
        verifier._following.keys.miss()  # noqa: SLF001 - as a token with an unknown kid does
        until(lambda: len(issuer.asked_for(JWKS)) == 2)
        assert len(issuer.asked_for(FEED)) == polls


def test_keys_that_do_not_come_keep_no_revocation_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are waited for beside the poll."""
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.05)
    with wired(max_staleness=SECOND) as issuer, connected(issuer) as verifier:
        issuer.at(JWKS, issuer.silent)
        verifier._following.keys.miss()  # noqa: SLF001 - as a token with an unknown kid does
        until(lambda: len(issuer.asked_for(JWKS)) == 2)
        opened = issuer.open()
        polls = len(issuer.asked_for(FEED))
        until(lambda: len(issuer.asked_for(FEED)) > polls + 4)
        assert verifier.knowledge.connected_since is not None
        assert refusal(verifier, opened) is None
        issuer.revoke(opened)
        until(lambda: refusal(verifier, opened) is SessionRevoked)


def test_a_verifier_has_one_thread_from_its_first_use_on() -> None:
    """A daemon, by the documented name; however many threads check at once."""
    with wired() as issuer:
        verifier = Verifier(issuer=issuer.url, audience="api")
        assert threads() == []
        several = [threading.Thread(target=lambda: verifier.knowledge) for _ in range(8)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
        assert [thread.daemon for thread in threads()] == [True]
        verifier.close()


def test_a_process_that_may_have_no_more_threads_says_so_and_loses_nothing() -> None:
    """Each check is refused as overloaded, whoever asks so often; later it is as if nothing was."""
    with wired() as issuer:
        opened = issuer.open()
        verifier = Verifier(issuer=issuer.url, audience="api")
        with no_more_threads():
            assert refusal(verifier, opened) is Overloaded
            before = files()
            for _ in range(20):
                assert refusal(verifier, opened) is Overloaded
            assert files() == before
        until(lambda: refusal(verifier, opened) is None)
        verifier.close()


def test_closing_ends_the_thread_and_its_line_at_once() -> None:
    """Though a poll is out; a later use follows again, and closing twice is nothing."""
    with wired(max_staleness=MINUTE) as issuer:
        with connected(issuer) as verifier:
            until(lambda: issuer.node.published.pump.waiting)
        began = time.monotonic()
        until(lambda: not threads())
        assert time.monotonic() - began < 1
        opened = issuer.open()
        verifier.close()
        until(lambda: refusal(verifier, opened) is None)
        assert len(threads()) == 1
        verifier.close()


def test_over_tls_the_thread_is_free_too_while_a_poll_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other end sends for the session alone is no answer yet: keys are fetched meanwhile,
    and closing ends it at once. So it is on a line that was opened for a poll which waits."""
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.05)
    path, tls = certificate(tmp_path, host="localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    fetch._context.cache_clear()  # noqa: SLF001 - what the machine trusts is read once per process
    with wired(max_staleness=MINUTE, tls=tls) as issuer:
        issuer.between = ends_after_each
        with connected(issuer) as verifier:
            until(lambda: issuer.node.published.pump.waiting)
            polls = len(issuer.asked_for(FEED))
            verifier._following.keys.miss()  # noqa: SLF001 - as a token with an unknown kid does
            until(lambda: len(issuer.asked_for(JWKS)) == 2, timeout=5)
            assert len(issuer.asked_for(FEED)) == polls
            opened = issuer.open()
            issuer.revoke(opened)
            until(lambda: refusal(verifier, opened) is SessionRevoked, timeout=5)
        until(lambda: not threads(), timeout=5)
    fetch._context.cache_clear()  # noqa: SLF001 - as above


def test_a_verifier_that_nobody_holds_is_followed_no_more() -> None:
    """One that was made for each request by mistake must not add up."""
    with wired() as issuer:
        verifier = Verifier(issuer=issuer.url, audience="api")
        verifier.__enter__()
        held = ref(verifier)
        del verifier
        until(lambda: gc.collect() >= 0 and held() is None)
        until(lambda: not threads())


PROGRAM: Final = """
import sys
from counterfoil import Verifier
verifier = Verifier(issuer=sys.argv[1], audience="api")
verifier.__enter__()
if sys.argv[2] == "closes":
    verifier.close()
elif sys.argv[2] == "forgets":
    del verifier
"""


@pytest.mark.parametrize("how", ["closes", "forgets", "ends"])
def test_a_program_ends_without_a_word_however_it_leaves_its_verifier(how: str) -> None:
    """Nothing waits for the thread, and no warning tells of a socket."""
    with wired(max_staleness=MINUTE) as issuer:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, issuer.url, how]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_bug_is_logged_and_outlived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What kills the thread would refuse everybody for ever."""
    monkeypatch.setattr(http, "_LONGEST_SLEEP", 0.05)
    with wired(max_staleness=SECOND) as issuer, connected(issuer) as verifier:
        opened = issuer.open()
        with (
            caplog.at_level(logging.ERROR, "counterfoil.verifier"),
            monkeypatch.context() as broken,
        ):
            broken.setattr(status_feed, "read_answer", lambda *_, **__: 1 / 0)
            until(lambda: refusal(verifier, opened) is StatusStale)
        assert "ZeroDivisionError" in caplog.text
        until(lambda: refusal(verifier, opened) is None)
        assert len(threads()) == 1


def test_no_credential_of_the_verifier_leaves_for_lists_and_keys() -> None:
    """It authenticates where that names it, and nowhere else."""
    with wired() as issuer:
        issuer.open()
        with connected(issuer, client=("reports", "a secret:/")):
            pass
        heads = {head.split(" ", 2)[1].partition("?")[0]: head for head in issuer.server.asked}
    basic = "Authorization: Basic cmVwb3J0czphJTIwc2VjcmV0JTNBJTJG\r\n"
    assert {path: basic in head for path, head in heads.items()} == {
        path: path == FEED for path in heads
    }
    assert len(heads) >= 4
