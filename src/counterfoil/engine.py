"""Counterfoil, the issuer's engine: open, check, refresh, revoke, for every strategy alike.

It decides nothing by itself. Rules are functions of records, the store keeps the records, and one
conditional commit makes true at once whatever belongs together. Where a commit does not take,
somebody else was first, and the decision is made again on what they left.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from counterfoil import handle as handles
from counterfoil.checking import Checking
from counterfoil.claims import require_subject
from counterfoil.clock import SystemClock
from counterfoil.credential import Presented, copied
from counterfoil.ending import Ending
from counterfoil.errors import (
    ConfigurationError,
    CredentialMissing,
    Forbidden,
    NotFound,
    NotRevocable,
    SessionUnknown,
    Unavailable,
)
from counterfoil.holding import IssuerHolding
from counterfoil.opening import Opening
from counterfoil.parts import compose
from counterfoil.ports import SessionQuery
from counterfoil.refresh import require_member

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from counterfoil.client import Client
    from counterfoil.clock import Clock
    from counterfoil.credential import Verified
    from counterfoil.feeds.published import Published
    from counterfoil.holding import Holding
    from counterfoil.outcome import Changed, Opened, Revoked
    from counterfoil.parts import StrategySettings
    from counterfoil.ports import Claims, ClaimsSource, Entropy, Keys, Store
    from counterfoil.session import Session
    from counterfoil.subject import SubjectState

Done = TypeVar("Done", "Revoked", "Changed")


class Counterfoil:
    """Sessions of one issuer's clients.

    issuer: the URL that signs; https, except on loopback. strategy: shorthand for one client;
    clients: several, or a mapping by client_id that may change. store: where sessions are kept;
    without one, `jwt` alone works, with no refresh, no device list and no revocation. claims:
    asked for a subject's roles and more when a session is opened or refreshed; without it, what
    `open` was given stays. keys: by default those beside the store. window: for how long one
    status list gives out indices. Raises `ConfigurationError` for what cannot work.
    """

    def __init__(
        self,
        *,
        issuer: str,
        store: Store | None = None,
        strategy: StrategySettings | None = None,
        clients: Iterable[Client] | Mapping[str, Client] = (),
        claims: ClaimsSource | None = None,
        keys: Keys | None = None,
        clock: Clock | None = None,
        entropy: Entropy = secrets.token_bytes,
        window: timedelta = timedelta(hours=1),
    ) -> None:
        self._parts = compose(
            issuer=issuer,
            store=store,
            strategy=strategy,
            clients=clients,
            claims=claims,
            keys=keys,
            clock=clock or SystemClock(),
            entropy=entropy,
            window=window,
        )
        self._ending = Ending(self._parts)
        self._checking = Checking(self._parts, self._ending)
        self._opening = Opening(self._parts, self._checking)
        self._published: Published | None = None
        self._tell: Callable[[], Awaitable[None] | None] | None = None
        self._holding = IssuerHolding(self._parts)

    @property
    def issuer(self) -> str:
        return self._parts.issuer

    @property
    def clients(self) -> Mapping[str, Client]:
        return self._parts.clients

    @property
    def keys(self) -> Keys:
        return self._parts.keys

    @property
    def store(self) -> Store:
        return self._parts.any_store

    @property
    def clock(self) -> Clock:
        return self._parts.clock

    @property
    def published(self) -> Published | None:
        """What this node tells verifiers about status; None without a store, or where no client
        can be `hybrid`. `integrations.issuer` serves it."""
        if self._published is None:
            self._published = self._parts.published()
        return self._published

    @property
    def holding(self) -> Holding:
        """Whether what a check found still holds; `integrations.live` asks it."""
        return self._holding

    async def open(
        self,
        subject: str,
        *,
        client_id: str | None = None,
        device: str = "",
        address: str = "",
        claims: Claims | None = None,
        expected: SubjectState | None = None,
    ) -> Opened:
        """Opens a session for a subject whose identity you have just proved.

        device, address: from where, as far as you know; kept with the session, and shown in lists.
        expected: `subject()` from before that proof, by default from now. If all their sessions
        were revoked, or their password changed, since then, the proof is void: `SignInRefused`.
        Raises `SubjectSuspended`, `ClientUnknown`, and `Malformed` for a subject that is not 1 to
        255 visible ASCII.
        """
        return await self._opening.open(
            require_subject(subject),
            self._parts.client(client_id),
            device=device,
            address=address,
            claims=claims or {},
            expected=expected,
        )

    async def check(self, presented: str | Presented, *, audience: str | None = None) -> Verified:
        """The whole decision about a credential, as its client's strategy makes it.

        audience: refuse credentials of any other. Raises an `AuthError` when the answer is no and
        `Unavailable` when it cannot be known.
        """
        return await self._checking.check(_presented(presented), audience=audience)

    def check_token(self, presented: str | Presented, *, audience: str | None = None) -> Verified:
        """`check` for signed tokens (`jwt`, `hybrid`) as a plain call: no look-up, no waiting. With
        a store across a network, what this process has not heard of yet is `StatusStale` here."""
        return self._checking.check_token(_presented(presented), audience=audience)

    async def confirm(self, presented: str | Presented) -> Verified:
        """A check against the record whatever the strategy: session, suspension and claims as
        they are now. Raises as `check` does."""
        return await self._checking.confirm(_presented(presented))

    async def introspect(self, presented: str | Presented) -> Verified:
        """`confirm` without a use of the credential, and for refresh handles too: nothing is
        touched and no family is ended. A spent handle after its grace is `RefreshUnknown`, with a
        line in the trail. Raises as `confirm` does besides."""
        return await self._checking.introspect(_presented(presented))

    async def refresh(self, presented: str | Presented, *, client_id: str | None = None) -> Opened:
        """Gives a session a new handle, and its client a fresh credential.

        A spent handle within its grace yields the successor that already exists; after it, it
        ends the family (RFC 9700 §4.14). client_id: refuse handles of any other. Raises
        `RefreshUnknown`, `RefreshReused`, `SessionRevoked`, `SessionExpired`, `SubjectSuspended`.
        """
        return await self._opening.refresh(_presented(presented), client_id=client_id)

    async def reissue(self, presented: str | Presented, *, client_id: str | None = None) -> Opened:
        """A fresh credential under the same handle, which stays good: for a request that is under
        way, and whose answer is to bring a new handle (`refresh`). Raises as `refresh` does."""
        return await self._opening.refresh(_presented(presented), client_id=client_id, spends=False)

    async def step_up(self, presented: str | Presented) -> Opened:
        """A new handle and a new auth_time, after you have proved the subject's identity again.

        The new handle does not derive from the old one: whoever else knew that stays out. Raises
        as `confirm` does.
        """
        return await self._opening.step_up(_presented(presented))

    async def revoke(self, session_id: str, *, because: str = "revoked") -> Revoked:
        """Ends a session, whatever its strategy. Raises `NotFound` for one that is not kept, and
        `NotRevocable` where there is no store to keep it."""
        if self._parts.kept is None:
            access = max(client.lifetime.access for client in self.clients.values())
            raise NotRevocable(expires_at=self.clock.now() + access)
        return await self._told(await self._ending.revoke(session_id, because=because))

    async def revoke_presented(
        self, presented: str | Presented, *, client_id: str | None = None
    ) -> Revoked:
        """Ends the session of a credential, also of one that is expired, stale, suspended or
        ended before; only signature or tag, and the client, must hold. Any handle will do.

        client_id: refuse credentials of any other, as `Forbidden`.
        """
        presented = _presented(presented)
        if not handles.looks_like(presented.text):
            keys = self.keys.public_keys()
            token = self._parts.tokens.known(presented, keys=keys, audience=None).token
            _require_own(client_id, token.client_id)
            if self._parts.kept is None:
                raise NotRevocable(expires_at=token.exp)
            return await self._revoke_known(token.sid)
        handle = handles.parse(presented.text, secrets=self._parts.secrets())
        found = await self._parts.store.look_up(handle.session_id)
        if found is None:
            raise SessionUnknown
        self._parts.own_client(presented, found.session, any_bearer=True)
        require_member(handle, found.session)
        _require_own(client_id, found.session.client_id)
        return await self._revoke_known(handle.session_id)

    async def revoke_all(
        self, subject: str, *, keep: str | None = None, because: str = "revoked"
    ) -> Revoked:
        """Ends every session of a subject but the one to keep; sign-ins under way fail."""
        subject = require_subject(subject)
        return await self._told(await self._ending.revoke_all(subject, keep=keep, because=because))

    async def revoke_client(
        self, client_id: str, *, progress: Callable[[int], None] | None = None
    ) -> Revoked:
        """Ends every session of a client, in batches; `progress` hears how many are done."""
        return await self._told(await self._ending.revoke_client(client_id, progress=progress))

    async def suspend(self, subject: str) -> Changed:
        """No credential of the subject is good until they are reinstated, nor can they sign in."""
        done = await self._ending.change(
            require_subject(subject),
            lambda state, now: state.suspended(now=now),
            "subject_suspended",
        )
        return await self._told(done)

    async def reinstate(self, subject: str) -> Changed:
        """Lifts a suspension. What was revoked stays revoked, what was stale stays stale."""
        return await self._ending.change(
            require_subject(subject), lambda state, _: state.reinstated(), "subject_reinstated"
        )

    async def claims_changed(self, subject: str) -> Changed:
        """Say this once your change of a subject's claims is committed, and before you acknowledge
        it: credentials with the old ones go stale, and a refresh brings the new ones."""
        done = await self._ending.change(
            require_subject(subject),
            lambda state, _: state.with_changed_claims(),
            "claims_changed",
        )
        return await self._told(done)

    async def require_current(self) -> None:
        """Raises `RestoreUndeclared` where the store was put back from a copy, `StoreUnavailable`
        where it cannot be read. For your readiness check, and before you write to tables of your
        own beside it."""
        await self._parts.require_current()

    async def declare_restore(self, *, progress: Callable[[int], None] | None = None) -> int:
        """Say this once you have put the database back from a copy; until then everything that asks
        it is refused. Ends every session, in one commit; `progress` hears how many are done.
        Returns how many were live."""
        return await self._parts.declare_restore(progress=progress)

    async def subject(self, subject: str) -> SubjectState:
        """What is kept about a subject. Read it before a password check and give it to `open`."""
        return await self._parts.store.subject(require_subject(subject))

    async def session(self, session_id: str) -> Session:
        """The record, live or not. Raises `NotFound`."""
        found = await self._parts.store.look_up(session_id)
        if found is None:
            raise NotFound
        return _own_copy(found.session)

    async def sessions(self, subject: str) -> list[Session]:
        """The live sessions of a subject, newest first."""
        query = SessionQuery(subject=require_subject(subject), live_at=self.clock.now(), limit=1000)
        return [_own_copy(session) for session in await self._parts.store.sessions(query)]

    def acknowledge_after(self, told: Callable[[], Awaitable[None] | None]) -> None:
        """Has what withdraws trust acknowledged after `told`, which lets the verifiers that are
        connected hear of it first. It waits for nobody for long: the bound needs it not."""
        self._tell = told

    async def close(self) -> None:
        """Answers verifiers that wait, stops the feed and closes the store."""
        if self._published is not None:
            self._published.release()
            if self._published.pump.waiting:
                with suppress(Unavailable):
                    await self._parts.read_on()
        await self._parts.close()

    async def _told(self, done: Done) -> Done:
        telling = self._tell() if self._tell is not None and done.count else None
        if telling is not None:
            await telling
        return done

    async def _revoke_known(self, session_id: str) -> Revoked:
        try:
            return await self.revoke(session_id, because="signed_out")
        except NotFound:
            raise SessionUnknown from None


def _own_copy(session: Session) -> Session:
    """Stores may give the same record to several readers; its claims are the caller's to change."""
    return replace(session, claims=copied(dict(session.claims)))


def _require_own(client_id: str | None, owner: str) -> None:
    if client_id not in (None, owner):
        raise Forbidden("This credential is of another client.")


def _presented(presented: object) -> Presented:
    """None is what a request without the cookie or header gives, and then nothing is there."""
    if isinstance(presented, str):
        return Presented(presented, None)
    if presented is None:
        raise CredentialMissing
    if not isinstance(presented, Presented):
        raise ConfigurationError(
            "Give the text of the credential, such as opened.credential.token, or a Presented."
        )
    return presented
