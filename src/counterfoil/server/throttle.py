"""How long to wait after failed sign-ins. Pure rules; the counts are kept in the store.

Each attempt is counted when it arrives, before its password is hashed, so that a thousand sent at
once are not a thousand free guesses. For each of its two keys, in one transaction that holds the
row (or its absence) against others:

    before = the row of that key, or FailureCount(key)
    write    rule.after_attempt(before, now=now)
    commit
    rule.require_allowed(before, now=now)

The address comes first: what it refuses is not counted against the account, so one address can
neither lock many accounts nor fill the table. After the right password, in one more transaction,
both rows become `rule.after_success(row)`; where it could not be compared (`Overloaded`), they
become `taken_back(row)`. Setting or confirming a password deletes the account's row.
A row holds key (primary), failures, last_at; rows that `is_forgotten` may be deleted at any time.
An unknown account is counted like a known one, and none of this touches a session that exists.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from counterfoil.errors import TooManyAttempts
from counterfoil.lifetime import NOTHING, earliest, is_within, remaining

LOCKED_HINT: Final = timedelta(hours=1)  # waiting does not unlock, so this says: not soon

_IPV6_PREFIX: Final = 64  # what one subscriber is given at least
_MOST_DOUBLINGS: Final = 20


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Consecutive failures under a key, and when the latest one arrived."""

    key: str
    failures: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleRule:
    """What failures cost. The first `free` cost nothing; then 1 s, 2 s, 4 s, up to `longest`.

    locked_at: so many in a row lock the password. forgotten_after: without failures for so long,
    an unlocked count is none. counts_refused: whether an attempt that had to wait counts too.
    success_clears: whether a success ends the row of failures, or takes back its own attempt.
    """

    free: int
    longest: timedelta
    locked_at: int | None
    forgotten_after: timedelta
    counts_refused: bool
    success_clears: bool

    def after_attempt(self, before: FailureCount, *, now: datetime) -> FailureCount:
        """The count once this attempt has arrived."""
        if self.is_forgotten(before, now=now):
            return FailureCount(before.key, 1, now)
        if self._wait(before, now=now) and not self.counts_refused:
            # A clock that was ahead for a while must not make everybody wait until it was right.
            return replace(before, last_at=earliest(before.last_at or now, now))
        return FailureCount(before.key, before.failures + 1, now)

    def after_success(self, count: FailureCount) -> FailureCount:
        """The count once the password of an attempt turned out to be right."""
        return replace(count, failures=0) if self.success_clears else taken_back(count)

    def require_allowed(self, before: FailureCount, *, now: datetime) -> None:
        """Raises `TooManyAttempts` when an attempt after these failures comes too early."""
        if self.is_locked(before):
            raise TooManyAttempts(
                "The password is locked after too many failed attempts. Confirm or set it on a "
                "device that is signed in, or ask an administrator to set it.",
                retry_after=LOCKED_HINT,
            )
        wait = self._wait(before, now=now)
        if wait:
            raise TooManyAttempts("Too many attempts failed.", retry_after=wait)

    def is_locked(self, count: FailureCount) -> bool:
        return self.locked_at is not None and count.failures >= self.locked_at

    def is_forgotten(self, count: FailureCount, *, now: datetime) -> bool:
        """Whether the row says no more than no row."""
        if count.failures == 0 or count.last_at is None:
            return True
        return not self.is_locked(count) and not is_within(
            count.last_at, self.forgotten_after, now=now
        )

    def _wait(self, count: FailureCount, *, now: datetime) -> timedelta:
        if count.last_at is None or count.failures < self.free:
            return NOTHING
        doublings = min(count.failures - self.free, _MOST_DOUBLINGS)
        delay = min(timedelta(seconds=2**doublings), self.longest)
        return min(delay, remaining(count.last_at + delay, now=now))


# NIST SP 800-63B-4 §3.2.2: at most 100 consecutive failures.
PER_ACCOUNT: Final = ThrottleRule(
    free=5,
    longest=timedelta(minutes=15),
    locked_at=100,
    forgotten_after=timedelta(days=30),
    counts_refused=True,
    success_clears=True,
)
# Wide, because a school or an office shares one. Were a success to clear it, a guesser would sign
# in to an account of his own between guesses; were waiting counted, a crowd would wait for ever.
PER_ADDRESS: Final = ThrottleRule(
    free=300,
    longest=timedelta(minutes=5),
    locked_at=None,
    forgotten_after=timedelta(hours=1),
    counts_refused=False,
    success_clears=False,
)


def taken_back(count: FailureCount) -> FailureCount:
    """The count without an attempt that turned out to be no guess."""
    return replace(count, failures=max(0, count.failures - 1))


def account_key(identifier: str, *, secret: bytes) -> str:
    """The key of an account, known or not. A MAC, since people type passwords as identifiers.

    identifier: canonical, as accounts are looked up. secret: the server's, the same on all nodes.
    """
    text = identifier.encode("utf-8", "surrogatepass")
    return "account:" + hmac.digest(secret, b"counterfoil throttle\0" + text, "sha256").hex()


def address_key(address: str) -> str:
    """The key of a client's address; an IPv6 subscriber has a whole /64, so that counts as one."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "address:unknown"
    if not isinstance(parsed, IPv6Address):
        return f"address:{parsed}"
    if parsed.ipv4_mapped:
        return f"address:{parsed.ipv4_mapped}"
    return f"address:{ip_network((parsed, _IPV6_PREFIX), strict=False)}"
