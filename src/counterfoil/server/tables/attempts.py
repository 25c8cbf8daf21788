"""Rows that count failed sign-ins, by account, address and session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.errors import TooManyAttempts
from counterfoil.server.tables.accounts import moment, stamp
from counterfoil.server.throttle import (
    PER_ACCOUNT,
    PER_ADDRESS,
    FailureCount,
    ThrottleRule,
    account_key,
    address_key,
    taken_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.stores.rows import Rows, Transaction

# Somebody who is signed in confirms a password: the same free tries, and short delays, no lock.
PER_SESSION: Final = ThrottleRule(
    free=5,
    longest=timedelta(minutes=1),
    locked_at=None,
    forgotten_after=timedelta(hours=1),
    counts_refused=False,
    success_clears=True,
)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Counts each attempt before it is decided. secret: gives the current K, for account keys."""

    rows: Rows
    secret: Callable[[], bytes]

    async def count(self, identifier: str, address: str, *, now: datetime) -> None:
        """Counts a sign-in. Raises `TooManyAttempts` when it comes too early."""
        await self._count(address_key(address), PER_ADDRESS, now)
        await self._count(self._account(identifier), PER_ACCOUNT, now)

    async def succeeded(self, identifier: str, address: str) -> None:
        """The password was right."""
        await self._change(address_key(address), PER_ADDRESS.after_success)
        await self._change(self._account(identifier), PER_ACCOUNT.after_success)

    async def undecided(self, identifier: str, address: str) -> None:
        """The password could not be compared, so the attempt was no guess."""
        await self._change(address_key(address), taken_back)
        await self._change(self._account(identifier), taken_back)

    async def count_session(self, session_id: str, *, now: datetime) -> None:
        """Counts a confirmation by somebody who is signed in. Raises `TooManyAttempts`."""
        await self._count(_session(session_id), PER_SESSION, now)

    async def session_succeeded(self, session_id: str) -> None:
        await self._change(_session(session_id), PER_SESSION.after_success)

    async def session_undecided(self, session_id: str) -> None:
        await self._change(_session(session_id), taken_back)

    async def count_client(self, address: str, *, now: datetime) -> None:
        """Counts a program that did not prove which client it is; apart from the sign-ins of the
        same address, which may be a whole office's. Raises `TooManyAttempts`."""
        await self._count(f"client:{address_key(address)}", PER_ADDRESS, now)

    async def unlock(self, identifier: str) -> None:
        """Forgets the failures of an account: its password was set, or its owner confirmed it."""
        await self._change(self._account(identifier), lambda count: FailureCount(count.key))

    async def sweep(self, *, now: datetime) -> None:
        """Forgets counts that say no more than no row."""
        long_ago = stamp(now - PER_ACCOUNT.forgotten_after)

        async def sweep(transaction: Transaction) -> None:
            await transaction.run("DELETE FROM attempts WHERE last_at < ?", (long_ago,))

        await self.rows.transaction(sweep, durable=False)

    async def _count(self, key: str, rule: ThrottleRule, now: datetime) -> None:
        before = await self._change(key, lambda count: rule.after_attempt(count, now=now))
        try:
            rule.require_allowed(before, now=now)
        except TooManyAttempts:
            # It may count although it came too early. Who waits as they are told must be let in.
            rule.require_allowed(rule.after_attempt(before, now=now), now=now)
            raise

    async def _change(
        self, key: str, change: Callable[[FailureCount], FailureCount]
    ) -> FailureCount:
        """Changes the count of a key and answers what it was before."""

        async def change_row(transaction: Transaction) -> FailureCount:
            await transaction.lock(f"attempts {key}")
            sql = "SELECT failures, last_at FROM attempts WHERE key = ?"
            row = await transaction.one(sql, (key,))
            before = FailureCount(key, row[0], moment(row[1])) if row else FailureCount(key)
            after = change(before)
            if after.failures == 0 or after.last_at is None:
                await transaction.run("DELETE FROM attempts WHERE key = ?", (key,))
            else:
                await transaction.run(
                    "INSERT INTO attempts (key, failures, last_at) VALUES (?, ?, ?) ON CONFLICT"
                    " (key) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at",
                    (key, after.failures, stamp(after.last_at)),
                )
            return before

        return await self.rows.transaction(change_row, durable=False)

    def _account(self, identifier: str) -> str:
        return account_key(identifier, secret=self.secret())


def _session(session_id: str) -> str:
    return f"session:{session_id}"
