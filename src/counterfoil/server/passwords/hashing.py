"""Passwords hashed and compared off the event loop: a bounded queue, and one answer for all.

An unknown account costs the same work as a wrong password, so that time tells nobody who has an
account here (ASVS 6.3.8; Django CVE-2024-39329, CVE-2025-13473). Each hash takes 64 MiB and about
a tenth of a second of one core, so no more run at once than there are cores, on threads that
step back for those that answer other requests, and past a short queue the answer is 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from counterfoil.errors import Overloaded, PasswordRefused, SignInRefused
from counterfoil.server.passwords import argon2id
from counterfoil.server.passwords.argon2id import CHEAPEST, RECOMMENDED, RETRY_AFTER, HashProfile
from counterfoil.threads import submitted

__all__ = [
    "CHEAPEST",
    "LONGEST",
    "RECOMMENDED",
    "HashProfile",
    "PasswordHasher",
    "PasswordMatches",
    "normalised",
]

LONGEST: Final = 256  # characters, so 1024 bytes of UTF-8

_NICER: Final = 5
_NICEST: Final = 19
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PasswordMatches:
    """The password was the right one; `rehash`: store a new hash, this one cost too little."""

    rehash: bool


class PasswordHasher:
    """Hashes and verifies passwords under one profile.

    threads: hashes at once, by default the cores this process may use. waiting_limit: how many
    more may wait; past it `Overloaded`. share: with how many processes like this one, itself
    counted, it shares both. Make it in the process that uses it, not before a fork.
    """

    def __init__(
        self,
        profile: HashProfile = RECOMMENDED,
        *,
        threads: int | None = None,
        waiting_limit: int = 64,
        share: int = 1,
    ) -> None:
        self.profile = profile
        self._threads = max(1, (threads or _cores()) // share)
        self._most = self._threads + waiting_limit // share
        self._pending = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(self._threads, "counterfoil-hash", initializer=_step_back)
        self._dummy = argon2id.dummy(profile)

    async def hash(self, password: str) -> str:
        """What to store. Raises `PasswordRefused` for what cannot be a password, before any work,
        and `Overloaded`; whether a password is good enough to choose is `policy`'s to say."""
        return await self._in_turn(argon2id.encoded, normalised(password), self.profile)

    async def verify(self, encoded: str | None, password: str) -> PasswordMatches:
        """Compares a password with a stored hash; None: the account is unknown.

        Raises `SignInRefused`, after the same work, whether the account is unknown, the password
        wrong or the stored hash unreadable (which is logged); `Overloaded` when it cannot be known.
        """
        return await self._in_turn(self._verify, encoded, _presented(password))

    def hash_now(self, password: str) -> str:
        """`hash` on this thread, without a queue: for the command line."""
        return argon2id.encoded(normalised(password), self.profile)

    def verify_now(self, encoded: str | None, password: str) -> PasswordMatches:
        """`verify` on this thread, without a queue: for the command line."""
        return self._verify(encoded, _presented(password))

    @property
    def waiting(self) -> int:
        """How many hashes wait for a thread."""
        return max(0, self._pending - self._threads)

    def close(self) -> None:
        """Ends the threads after what they are doing; call it after the last request."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _in_turn(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        with self._lock:
            if self._pending >= self._most:
                raise Overloaded("Too many passwords wait to be checked.", retry_after=RETRY_AFTER)
            future = submitted(self._pool, work, *arguments)
            self._pending += 1
        future.add_done_callback(self._left)
        # A client that hangs up cancels this, and with it what had not yet begun.
        return await asyncio.wrap_future(future)

    def _left(self, _: Future[Any]) -> None:
        with self._lock:
            self._pending -= 1

    def _verify(self, encoded: str | None, text: str) -> PasswordMatches:
        stored = None if encoded is None else argon2id.profile_of(encoded)
        if encoded is None or stored is None:
            if encoded is not None:
                _log.error("password_hash_unreadable")
            argon2id.matches(self._dummy, text)
            raise SignInRefused
        if not argon2id.matches(encoded, text):
            argon2id.make_up(stored, self.profile, text)
            raise SignInRefused
        return PasswordMatches(rehash=self.profile.is_more_than(stored))


def normalised(password: str) -> str:
    """The text that is hashed: NFKC, whole (NIST SP 800-63B-4 §3.1.1.2), nothing cut or trimmed.

    Raises `PasswordRefused` when it is too long, also once normalised (one character can become
    18), or holds half a character: UTF-8 has no bytes for a lone surrogate.
    """
    # Not before its length is known: normalising takes its time (Django CVE-2023-46695).
    text = unicodedata.normalize("NFKC", password) if len(password) <= LONGEST else password
    if len(text) > LONGEST:
        raise PasswordRefused(
            f"The password is longer than {LONGEST} characters. Use a shorter one."
        )
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise PasswordRefused("The password holds a character that is not complete. Type it anew.")
    return text


def _presented(password: str) -> str:
    """What could not have been chosen is nobody's password: refused alike for all accounts."""
    try:
        return normalised(password)
    except PasswordRefused:
        raise SignInRefused from None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _step_back() -> None:
    """Lowers this thread's priority; elsewhere than on Linux a priority is the whole process's."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            nice = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(_NICEST, nice + _NICER))
