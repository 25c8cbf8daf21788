"""Checking a credential: as its client's strategy does, or against the record."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil import handle as handles
from counterfoil import refresh as rules
from counterfoil.credential import OnRecord, Presented, Verified
from counterfoil.errors import (
    CredentialMalformed,
    RefreshReused,
    RefreshUnknown,
    SessionUnknown,
    StatusStale,
    Unavailable,
    WrongAudience,
)
from counterfoil.events import of_session
from counterfoil.lifetime import has_passed
from counterfoil.parts import unless_undeclared
from counterfoil.refresh import Standing
from counterfoil.status_mirror import ListUnknown
from counterfoil.strategies import session as plain

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.client import Client
    from counterfoil.credential import Facts
    from counterfoil.ending import Ending
    from counterfoil.events import Event
    from counterfoil.handle import Handle
    from counterfoil.parts import Parts
    from counterfoil.ports import Found
    from counterfoil.session import Session

_SOON: Final = timedelta(seconds=1)


class Stand(NamedTuple):
    """A handle, what was found under it, and where it stands there."""

    client: Client
    handle: Handle
    found: Found
    place: Standing


@dataclass(frozen=True, slots=True)
class Checking:
    """The checks at the issuer."""

    parts: Parts
    ending: Ending

    async def check(self, presented: Presented, *, audience: str | None) -> Verified:
        if handles.looks_like(presented.text):
            return await self._check_handle(presented, audience)
        return await self._check_signed(presented, audience)

    async def _check_signed(self, presented: Presented, audience: str | None) -> Verified:
        """By a token; what this process has not heard of yet is read first."""
        feed = self.parts.feed
        if feed is None or not feed.is_aside:
            return self.check_token(presented, audience=audience)
        try:
            return self.check_token(presented, audience=audience)
        except StatusStale as why:
            if isinstance(why.__cause__, ListUnknown):
                await self.parts.aside(feed.catch_up)
            elif feed.is_late:
                await self.parts.aside(lambda: unless_undeclared(feed.make_up))
            else:
                raise
        return self._check_token(presented, audience)

    def check_token(self, presented: Presented, *, audience: str | None) -> Verified:
        feed = self.parts.feed
        if feed is None:
            return self._check_token(presented, audience)
        if self.parts.tokens.mirror is not None:
            # A mirror that could not be filled refuses what needs it; a plain JWT does not.
            unless_undeclared(feed.ensure)
        elif feed.is_unproven:
            unless_undeclared(feed.catch_up)
        try:
            return self._check_token(presented, audience)
        except ListUnknown as why:
            if feed.is_aside:
                raise StatusStale(retry_after=_SOON) from why
            # After a pause a list is announced as it opens, by this process or by another one.
            feed.catch_up()
        except StatusStale:
            if feed.is_aside:
                raise
            unless_undeclared(feed.make_up)
        return self._check_token(presented, audience)

    def _check_token(self, presented: Presented, audience: str | None) -> Verified:
        return self.parts.tokens.check(
            presented,
            keys=self.parts.keys.public_keys(),
            audience=audience,
            now=self.parts.clock.now(),
            uptime=self.parts.clock.uptime(),
        )

    async def confirm(self, presented: Presented) -> Verified:
        if handles.looks_like(presented.text):
            return await self._check_handle(presented, None)
        verified = await self._check_signed(presented, None)
        now = self.parts.clock.now()
        self._look_at_store(now=now)
        found = await self.parts.store.look_up(verified.session_id)
        if found is None:
            raise SessionUnknown
        found.session.require_live(now=now)
        claims = await self.parts.claims_of(found.session.subject, found.session.claims)
        facts = plain.facts(found, claims)
        # Who holds a token from before a step-up did not step up.
        facts = replace(
            facts,
            strategy=verified.strategy,
            expires_at=verified.expires_at,
            auth_time=verified.auth_time,
            rests_on=(*verified.facts.rests_on, *facts.rests_on),
        )
        return Verified(facts, now)

    async def introspect(self, presented: Presented) -> Verified:
        if not handles.looks_like(presented.text):
            return await self.confirm(presented)
        now = self.parts.clock.now()
        client, handle, found, place = await self._place(presented, began=now)
        if place is Standing.REUSED:
            # Whoever asks about a handle did not use it: that a thief's was shown to them may
            # not sign its owner out.
            event = of_session(
                "spent_introspected", found.session, now, _generations(handle, found.session)
            )
            await self.parts.store.note(event)
            raise RefreshUnknown("This handle is spent.")
        claims = await self.parts.claims_of(found.session.subject, found.session.claims)
        facts = replace(plain.facts(found, claims), strategy=client.strategy)
        if place is Standing.SPENT and self._was_cut_off(handle, found.session):
            if client.signs:
                raise RefreshUnknown("This handle was replaced when the password was confirmed.")
            facts = _from_before(facts, found)
        return Verified(facts, now)

    async def stand(self, presented: Presented, *, began: datetime) -> Stand:
        """Where a handle stands. Ends the family of one that is reused, and raises then.

        began: when the request came. One that had to wait here for longer than the grace, while
        another was served, is no reuse.
        """
        stand = await self._place(presented, began=began)
        if stand.place is Standing.REUSED:
            detail = _generations(stand.handle, stand.found.session)
            await self.ending.end_family(stand.found.session.id, detail)
            raise RefreshReused
        return stand

    async def _place(self, presented: Presented, *, began: datetime) -> Stand:
        """The same, looked up without any consequence."""
        handle = handles.parse(presented.text, secrets=self.parts.secrets())
        self._look_at_store(now=began)
        found = await self.parts.store.look_up(handle.session_id)
        if found is None:
            raise SessionUnknown
        client = self.parts.own_client(presented, found.session)
        place = rules.standing(handle, found.session, grace=client.lifetime.grace, now=began)
        found.session.require_live(now=self.parts.clock.now())
        return Stand(client, handle, found, place)

    async def _check_handle(self, presented: Presented, audience: str | None) -> Verified:
        began = self.parts.clock.now()
        client, handle, found, place = await self.stand(presented, began=began)
        if client.signs:
            raise CredentialMalformed("This is a refresh handle: refresh, then present the token.")
        if audience is not None and audience != client.audience:
            raise WrongAudience
        now = self.parts.clock.now()
        session, subject = found
        if place is Standing.SPENT:
            await self.parts.store.note(repeated(session, handle, now))
        claims = session.claims
        if session.claims_version < subject.claims_version:
            claims = await self.parts.claims_of(session.subject, claims)
        facts = plain.facts(found, claims)
        if place is Standing.SPENT and self._was_cut_off(handle, session):
            facts = _from_before(facts, found)
        if session.touch_due(now=now):
            # The record was read, so the answer is known; that use was not noted harms nobody.
            with suppress(Unavailable):
                await self.parts.store.touch(session.id, now)
        return Verified(facts, began)

    def _look_at_store(self, *, now: datetime) -> None:
        """Now and then, whether it was put back from a copy: where no thread reads the feed, nobody
        else would see it. Raises `RestoreUndeclared`."""
        feed = self.parts.feed
        if feed is not None and has_passed(feed.fresh_until, now=now):
            unless_undeclared(feed.keep_up)

    def _was_cut_off(self, handle: Handle, session: Session) -> bool:
        """Whether a step-up came since: requests that were under way with the handle from before
        it pass, but nobody knows that it was they who stepped up."""
        return rules.current_of(handle, session, secrets=self.parts.secrets()) is None


def _from_before(facts: Facts, found: Found) -> Facts:
    """What holds for those who did not step up, as far as anybody knows, where somebody has."""
    session, subject = found
    rests_on = (OnRecord(subject.claims_version, session.created_at),)
    return replace(facts, auth_time=session.created_at, rests_on=rests_on)


def repeated(session: Session, handle: Handle, now: datetime) -> Event:
    """The trail's line for a spent handle that was used within its grace."""
    return of_session("refresh_repeated", session, now, _generations(handle, session))


def _generations(handle: Handle, session: Session) -> dict[str, int]:
    return {"generation": handle.generation, "current": session.generation}
