"""Opening a session, and giving an open one a new handle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from counterfoil import handle as handles
from counterfoil import refresh as rules
from counterfoil import session as sessions
from counterfoil.checking import repeated
from counterfoil.errors import (
    Overloaded,
    RefreshUnknown,
    SessionUnknown,
    SignInRefused,
    SubjectSuspended,
)
from counterfoil.events import of_session
from counterfoil.parts import ATTEMPTS
from counterfoil.ports import Commit
from counterfoil.refresh import Standing
from counterfoil.status_change import changes_between

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.checking import Checking, Stand
    from counterfoil.client import Client
    from counterfoil.credential import Presented
    from counterfoil.events import Event
    from counterfoil.handle import Handle
    from counterfoil.issuing import Furnished
    from counterfoil.outcome import Opened
    from counterfoil.parts import Parts
    from counterfoil.ports import Claims, Found
    from counterfoil.session import Session
    from counterfoil.subject import SubjectState


@dataclass(frozen=True, slots=True)
class Opening:
    """Open, refresh, step up: every way to a new handle."""

    parts: Parts
    checking: Checking

    async def open(
        self,
        subject: str,
        client: Client,
        *,
        device: str,
        address: str,
        claims: Claims,
        expected: SubjectState | None,
    ) -> Opened:
        if self.parts.kept is None:
            return await self._open_unkept(subject, client, device, address, claims)
        store = self.parts.store
        kept_client = await store.client(client.client_id)
        for attempt in range(ATTEMPTS):
            now = self.parts.clock.now()
            if attempt and kept_client != await store.client(client.client_id):
                raise SignInRefused("Sessions of this client were ended while this one began.")
            state = await store.subject(subject)
            expected = expected or state
            if state.is_suspended:
                raise SubjectSuspended
            if expected.epoch != state.epoch:
                raise SignInRefused("The account changed while this sign-in was under way.")
            handle, session = self._first(subject, client, device, address, now)
            session = session.with_claims(
                await self.parts.claims_of(subject, claims), state.claims_version
            )
            furnished = await self.parts.pen.furnish(session, client, now=now)
            commit = Commit(
                sessions=(furnished.session,),
                subjects=(state.moved(),),
                unchanged=(kept_client,),
                events=(of_session("session_opened", session, now, _whence(session)),),
            )
            if await self.parts.commit(commit):
                return self.parts.pen.write(furnished, client, handle, now=now)
        raise Overloaded(retry_after=timedelta(seconds=1))

    async def refresh(
        self, presented: Presented, *, client_id: str | None, spends: bool = True
    ) -> Opened:
        """spends: False to leave the current handle current."""
        began = self.parts.clock.now()
        for _ in range(ATTEMPTS):
            try:
                stand = await self.checking.stand(presented, began=began)
            except SessionUnknown as why:
                raise RefreshUnknown(why.detail) from why
            if client_id not in (None, stand.client.client_id):
                raise RefreshUnknown("This handle is of another client.")
            now = self.parts.clock.now()
            if (again := await self._again(stand, now, spends=spends)) is not None:
                return again
            handle, furnished, event = await self._renewed(stand, now, spends=spends)
            if await self._take(stand.client, stand.found, furnished, event):
                return self.parts.pen.write(furnished, stand.client, handle, now=now)
        raise Overloaded(retry_after=timedelta(seconds=1))

    async def step_up(self, presented: Presented) -> Opened:
        for _ in range(ATTEMPTS):
            verified = await self.checking.confirm(presented)
            client = self.parts.client(verified.client_id)
            found = await self.parts.store.look_up(verified.session_id)
            if found is None:
                raise SessionUnknown
            now = self.parts.clock.now()
            session = found.session
            session.require_live(now=now)
            if found.subject.is_suspended:
                raise SubjectSuspended
            self._require_room(session, client, now)
            handle = handles.first(
                session.id,
                secret=self.parts.entropy(handles.SECRET_BYTES),
                secrets=self.parts.secrets(),
                shard=self.parts.store.shard(session.subject),
                generation=session.generation + 1,
            )
            renewed = session.rotated(handle, now=now).stepped_up(now=now)
            furnished = await self._furnished(renewed, found, client, now)
            event = of_session(
                "session_stepped_up", session, now, {"generation": handle.generation}
            )
            if await self._take(client, found, furnished, event, moves_feed=True):
                return self.parts.pen.write(furnished, client, handle, now=now)
        raise Overloaded(retry_after=timedelta(seconds=1))

    async def _renewed(
        self, stand: Stand, now: datetime, *, spends: bool
    ) -> tuple[Handle, Furnished, Event | None]:
        """What a refresh makes of a session: a successor of the current handle, or the one that
        a spent handle leads to."""
        client, handle, found, place = stand
        session = found.session
        if found.subject.is_suspended:
            raise SubjectSuspended
        if place is Standing.SPENT:
            furnished = await self._furnished(session, found, client, now)
            return await self._walked(stand, now), furnished, repeated(session, handle, now)
        if not spends:
            # The refresh that follows is what the trail tells.
            return handle, await self._furnished(session.used(now=now), found, client, now), None
        self._require_room(session, client, now)
        successor = handles.succeed(handle, secrets=self.parts.secrets())
        furnished = await self._furnished(session.rotated(successor, now=now), found, client, now)
        detail = {"generation": successor.generation}
        return successor, furnished, of_session("session_refreshed", session, now, detail)

    async def _again(self, stand: Stand, now: datetime, *, spends: bool) -> Opened | None:
        """The answer where nothing has moved since the last one, to a spent handle or to one that
        stays: 49 of 50 parallel refreshes take this way, and none of them writes the record."""
        client, handle, found, place = stand
        session, subject = found
        is_spent = place is Standing.SPENT
        if subject.is_suspended or (spends and not is_spent):
            return None
        current = await self._walked(stand, now) if is_spent else handle
        if session.claims_version < subject.claims_version:
            return None
        furnished = self.parts.pen.again(session, client, now=now)
        if furnished is None:
            return None
        if is_spent:
            await self.parts.store.note(repeated(session, handle, now))
        return self.parts.pen.write(furnished, client, current, now=now)

    async def _walked(self, stand: Stand, now: datetime) -> Handle:
        session = stand.found.session
        current = rules.current_of(stand.handle, session, secrets=self.parts.secrets())
        if current is None:
            await self.parts.store.note(repeated(session, stand.handle, now))
            raise RefreshUnknown("This handle was replaced when the password was confirmed.")
        return current

    async def _furnished(
        self, session: Session, found: Found, client: Client, now: datetime
    ) -> Furnished:
        claims = await self.parts.claims_of(session.subject, session.claims)
        session = session.with_claims(claims, found.subject.claims_version)
        return await self.parts.pen.furnish(session.following(found.session), client, now=now)

    async def _take(
        self,
        client: Client,
        found: Found,
        furnished: Furnished,
        event: Event | None,
        *,
        moves_feed: bool = False,
    ) -> bool:
        """Commits a renewed session; False when somebody else was first."""
        after = found.subject.moved()
        return await self.parts.commit(
            Commit(
                sessions=(furnished.session,),
                subjects=(after,),
                unchanged=(await self.parts.store.client(client.client_id),),
                changes=tuple(changes_between(found, (furnished.session, after))),
                moves_feed=moves_feed,
                events=(event,) if event is not None else (),
            )
        )

    async def _open_unkept(
        self, subject: str, client: Client, device: str, address: str, claims: Claims
    ) -> Opened:
        now = self.parts.clock.now()
        _, session = self._first(subject, client, device, address, now)
        session = session.with_claims(await self.parts.claims_of(subject, claims), 0)
        furnished = await self.parts.pen.furnish(session, client, now=now)
        return self.parts.pen.write(furnished, client, None, now=now)

    def _first(
        self, subject: str, client: Client, device: str, address: str, now: datetime
    ) -> tuple[Handle, Session]:
        session_id, shard = self._place(subject)
        handle = handles.first(
            session_id,
            secret=self.parts.entropy(handles.SECRET_BYTES),
            secrets=self.parts.secrets(),
            shard=shard,
        )
        return handle, sessions.opened(
            handle,
            subject=subject,
            client_id=client.client_id,
            lifetime=client.lifetime,
            device=device,
            address=address,
            now=now,
        )

    def _place(self, subject: str) -> tuple[str, int]:
        """An id that leads to where the subject lies, and its shard."""
        kept = self.parts.kept
        shard = 0 if kept is None else kept.shard(subject)
        while True:
            session_id = handles.new_session_id(self.parts.entropy(handles.SESSION_ID_BYTES))
            if kept is None or kept.shard(session_id) == shard:
                return session_id, shard

    def _require_room(self, session: Session, client: Client, now: datetime) -> None:
        grace = client.lifetime.grace
        room = rules.has_room(session, kept=sessions.SPENT_KEPT, grace=grace, now=now)
        if session.generation >= handles.LAST_GENERATION or not room:
            raise Overloaded("This session is refreshed too often.", retry_after=grace)


def _whence(session: Session) -> dict[str, str]:
    """What the trail tells of where a session was opened."""
    told = {"device": session.device}
    return {**told, "address": session.address} if session.address else told
