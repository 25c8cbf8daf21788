"""A verifier in a process that forks: the child follows by itself, and the parent goes on."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from counterfoil import Verifier
from counterfoil.errors import SessionRevoked, StatusStale
from counterfoil.feeds import http
from counterfoil.feeds.following import FEED
from serving import until
from wired import SECOND, connected, refusal, wired

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from wired import Issuer

LONG: Final = 60 * SECOND


class Child:
    """A forked process, in which something is tried; whoever hangs there is killed."""

    def __init__(self, attempt: Callable[[Callable[[], object]], object]) -> None:
        told, tell = os.pipe()
        self._told = told
        self.pid = os.fork()
        if self.pid:
            os.close(tell)
            return
        signal.alarm(30)
        status = 1
        try:
            attempt(lambda: os.write(tell, b"."))
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, who reads of it wants to know
            traceback.print_exc()
        finally:
            os._exit(status)

    def has_told(self) -> bool:
        return os.read(self._told, 1) == b"."

    def ends_well(self) -> bool:
        os.close(self._told)
        return os.waitpid(self.pid, 0)[1] == 0


def require(holds: object) -> None:
    if not holds:
        raise ValueError


def threads() -> int:
    return sum(thread.name == http.THREAD for thread in threading.enumerate())


def names(issuer: Issuer) -> set[str]:
    """Whom the issuer takes for different verifiers."""
    queries = [parse_qs(urlsplit(path).query) for path in issuer.asked_for(FEED)]
    return {query["verifier"][0] for query in queries}


def test_after_a_fork_both_hear_what_is_revoked() -> None:
    """Forked while a poll is out. The child knows at once what the parent knew, and the next check
    there begins to follow; each has a line, and a name, of its own."""
    with wired(max_staleness=LONG) as issuer, connected(issuer) as verifier:
        opened = issuer.open()
        until(lambda: issuer.node.published.pump.waiting)

        def attempt(tell: Callable[[], object]) -> None:
            require(threads() == 0)
            require(refusal(verifier, opened) is None)
            require(threads() == 1)
            until(lambda: verifier.knowledge.status_age < 1)
            tell()
            until(lambda: refusal(verifier, opened) is SessionRevoked)

        child = Child(attempt)
        assert child.has_told()
        issuer.revoke(opened)
        until(lambda: refusal(verifier, opened) is SessionRevoked)
        assert child.ends_well()
        assert len(names(issuer)) == 2


def test_a_fork_hangs_on_no_lock() -> None:
    """Whatever the parent's threads held in that moment."""
    with wired(max_staleness=LONG) as issuer, connected(issuer) as verifier, ExitStack() as held:
        opened = issuer.open()
        until(lambda: refusal(verifier, opened) is None)
        carrier, following = verifier._carrier, verifier._following  # noqa: SLF001 - whose locks they are
        held.enter_context(carrier._changed)  # noqa: SLF001 - as above
        held.enter_context(carrier._bell._lock)  # type: ignore[union-attr]  # noqa: SLF001 - as above
        held.enter_context(following.mirror._applying)  # noqa: SLF001 - as above

        def attempt(tell: Callable[[], object]) -> None:
            require(refusal(verifier, opened) is None)
            tell()
            until(lambda: refusal(verifier, opened) is SessionRevoked)
            verifier.close()
            until(lambda: threads() == 0)

        child = Child(attempt)
        assert child.has_told()
        issuer.revoke(opened)
        assert child.ends_well()


def test_a_child_that_closes_what_its_parent_opened_hangs_on_no_lock_either() -> None:
    """As at the end of a `with` that was entered before the fork; nor does it end the parent's."""
    with wired(max_staleness=LONG) as issuer, connected(issuer) as verifier:
        opened = issuer.open()
        carrier = verifier._carrier  # noqa: SLF001 - whose locks they are
        with carrier._changed, carrier._bell._lock:  # type: ignore[union-attr]  # noqa: SLF001 - as above

            def attempt(_: Callable[[], object]) -> None:
                verifier.close()
                require(threads() == 0)
                until(lambda: refusal(verifier, opened) is None)
                require(threads() == 1)

            child = Child(attempt)
        assert child.ends_well()
        issuer.revoke(opened)
        until(lambda: refusal(verifier, opened) is SessionRevoked)


def test_threads_that_come_at_once_after_a_fork_start_one_thread() -> None:
    """One, and it goes on: as in a worker whose first requests come together."""
    with wired(max_staleness=SECOND) as issuer, connected(issuer) as verifier:
        opened = issuer.open()
        token = opened.credential.token
        until(lambda: refusal(verifier, opened) is None)

        def attempt(_: Callable[[], object]) -> None:
            together = threading.Barrier(8)

            def check() -> None:
                together.wait()
                refusal(verifier, opened)

            several = [threading.Thread(target=check) for _ in range(8)]
            for thread in several:
                thread.start()
            for thread in several:
                thread.join()
            require(threads() == 1)
            told: set[datetime] = set()

            def goes_on() -> bool:
                with suppress(StatusStale):  # a machine that is busy may stand still for a second
                    told.add(verifier.check(token).as_of)
                return len(told) > 2

            until(goes_on)

        children = [Child(attempt) for _ in range(5)]
        assert [child.ends_well() for child in children] == [True] * 5


def test_a_verifier_that_was_not_used_before_the_fork_is_used_in_every_worker() -> None:
    """As a prefork server does: made once, and used in its children."""
    with wired(max_staleness=LONG) as issuer:
        opened = issuer.open()
        verifier = Verifier(issuer=issuer.url, audience="api")

        def attempt(_: Callable[[], object]) -> None:
            until(lambda: refusal(verifier, opened) is None)

        children = [Child(attempt) for _ in range(3)]
        assert [child.ends_well() for child in children] == [True] * 3
        assert len(names(issuer)) == 3
        assert threads() == 0
