"""Subjects that the server itself manages: registered, signed in by password, given roles."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.claims import require_roles
from counterfoil.errors import (
    ConfigurationError,
    Malformed,
    NotFound,
    Overloaded,
    SignInRefused,
    SubjectSuspended,
    Unavailable,
)
from counterfoil.events import Event
from counterfoil.server.passwords.policy import require_acceptable
from counterfoil.server.tables.accounts import Account
from counterfoil.server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from counterfoil.clock import Clock
    from counterfoil.engine import Counterfoil
    from counterfoil.events import EventKind
    from counterfoil.outcome import Changed, Revoked
    from counterfoil.server.passwords.hashing import PasswordHasher
    from counterfoil.server.tables.accounts import AccountRows
    from counterfoil.server.tables.attempts import Attempts
    from counterfoil.subject import SubjectState

# Anybody may register as often as they like, where that is open; the rest of the queue is for those
# who have an account.
MOST_REGISTERING: Final = 16
RETRY_AFTER: Final = timedelta(seconds=5)

# Visible ASCII alone: identifiers that only look alike, or that change when their case is folded,
# are how one person is let into the account of another (CVE-2019-19844).
_IDENTIFIER: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A password was right: whose, and the subject's state from before it was checked."""

    subject: str
    expected: SubjectState


@dataclass(frozen=True, slots=True)
class Accounts:
    """What can be done with accounts. Passwords are checked here and nowhere else."""

    rows: AccountRows
    attempts: Attempts
    hasher: PasswordHasher
    auth: Counterfoil
    clock: Clock
    turns: Turns = field(default_factory=Turns, repr=False)

    async def register(
        self, identifier: str, password: str, *, roles: Sequence[str] = ()
    ) -> Account:
        """A new account. Raises `Malformed`, `PasswordRefused`, `IdentifierTaken`, `Overloaded`."""
        canonical = canonicalised(identifier)
        require_acceptable(password, identifier=canonical)
        await self.auth.require_current()
        if self.hasher.waiting >= MOST_REGISTERING:
            raise Overloaded("Too many register at once.", retry_after=RETRY_AFTER)
        account = Account(
            subject=secrets.token_urlsafe(16),
            identifier=identifier,
            canonical=canonical,
            password=await self.hasher.hash(password),
            roles=tuple(_roles(roles)),
            created_at=self.clock.now(),
        )
        await self.rows.add(account)
        await self._note("account_registered", account.subject, account.created_at)
        return account

    async def sign_in(self, identifier: str, password: str, *, address: str) -> SignedIn:
        """Checks a password. Raises `SignInRefused` alike for a wrong one and an unknown account,
        `TooManyAttempts`, and `SubjectSuspended` only after the right one."""
        canonical = canonicalised(identifier)
        await self.auth.require_current()  # for known and unknown accounts alike
        async with self.turns.turn(canonical):
            return await self._sign_in(canonical, password, address)

    async def _sign_in(self, canonical: str, password: str, address: str) -> SignedIn:
        now = self.clock.now()
        await self.attempts.count(canonical, address, now=now)
        account = await self.rows.by_canonical(canonical)
        expected = await self.auth.subject(account.subject) if account else None
        if account is not None:
            # Read again: a password changed before `expected` was read must be the new one here.
            account = await self.rows.by_subject(account.subject)
        try:
            matches = await self.hasher.verify(account.password if account else None, password)
        except SignInRefused:
            await self._note("sign_in_refused", account.subject if account else None, now)
            raise
        except Unavailable:
            await self.attempts.undecided(canonical, address)
            raise
        if account is None or expected is None:
            raise SignInRefused
        await self.attempts.succeeded(canonical, address)
        if matches.rehash:
            with suppress(Overloaded):  # it was the right one; a stronger hash can wait
                stronger = await self.hasher.hash(password)
                await self.rows.replace_password(account.subject, account.password, stronger)
        if expected.is_suspended:
            raise SubjectSuspended
        return SignedIn(account.subject, expected)

    async def confirm_password(self, subject: str, session_id: str, password: str) -> Account:
        """Checks the password of somebody who is signed in: neither the account's lock nor its
        delays hold them up, only their own session's. Raises as `sign_in` does."""
        account = await self.account(subject)
        now = self.clock.now()
        await self.attempts.count_session(session_id, now=now)
        try:
            await self.hasher.verify(account.password, password)
        except SignInRefused:
            refused = Event(kind="sign_in_refused", at=now, subject=subject, session_id=session_id)
            await self.auth.store.note(refused)
            raise
        except Unavailable:
            await self.attempts.session_undecided(session_id)
            raise
        await self.attempts.session_succeeded(session_id)
        await self.attempts.unlock(account.canonical)
        return account

    async def change_password(
        self, subject: str, *, current: str, new: str, session_id: str
    ) -> Revoked:
        """Replaces the password and ends every session but this one."""
        account = await self.confirm_password(subject, session_id, current)
        return await self._set_password(account, new, keep=session_id, former=account.password)

    async def set_password(self, subject: str, new: str) -> Revoked:
        """Sets a password without asking for the former: for administrators and the command line.
        Unlocks the account and ends its sessions."""
        return await self._set_password(await self.account(subject), new)

    async def _set_password(
        self, account: Account, new: str, *, keep: str | None = None, former: str | None = None
    ) -> Revoked:
        subject = account.subject
        require_acceptable(new, identifier=account.canonical)
        await self.auth.require_current()
        encoded = await self.hasher.hash(new)
        now = self.clock.now()
        if not await self.rows.set_password(subject, encoded, at=now, former=former):
            raise SignInRefused("The password was changed meanwhile.")
        await self.attempts.unlock(account.canonical)
        await self._note("password_changed", subject, now)
        return await self.auth.revoke_all(subject, keep=keep, because="password_changed")

    async def set_roles(self, subject: str, roles: Sequence[str]) -> Changed:
        """Gives these roles instead of the former; credentials with the former go stale."""
        await self.auth.require_current()
        await self.account(subject)
        chosen = _roles(roles)
        now = self.clock.now()
        await self.rows.set_roles(subject, chosen, at=now)
        await self._note("account_changed", subject, now, roles=chosen)
        return await self.auth.claims_changed(subject)

    async def account(self, subject: str) -> Account:
        """Raises `NotFound`."""
        account = await self.rows.by_subject(subject)
        if account is None:
            raise NotFound
        return account

    async def by_identifier(self, identifier: str) -> Account:
        """Raises `NotFound`."""
        account = await self.rows.by_canonical(canonicalised(identifier))
        if account is None:
            raise NotFound
        return account

    async def _note(
        self, kind: EventKind, subject: str | None, at: datetime, **detail: object
    ) -> None:
        await self.auth.store.note(Event(kind=kind, at=at, subject=subject, detail=detail))


async def claims_of(rows: AccountRows, subject: str) -> dict[str, list[str]]:
    """The server's claims source: the roles of an account, none if there is none."""
    account = await rows.by_subject(subject)
    return {"roles": list(account.roles) if account else []}


def canonicalised(identifier: str) -> str:
    """What makes an identifier one account: 1 to 255 visible ASCII, whatever the case. Raises
    `Malformed`."""
    if not _IDENTIFIER.match(identifier):
        raise Malformed("Write the identifier in 1 to 255 visible ASCII characters, no spaces.")
    return identifier.lower()


def _roles(roles: Sequence[str]) -> list[str]:
    try:
        return require_roles(list(dict.fromkeys(roles)))
    except ConfigurationError as why:
        raise Malformed(why.detail) from None
