"""The issuer's pen: furnishes a session with what a credential needs, and writes the credential."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.credential import LARGEST_COOKIE, Credential
from counterfoil.errors import ClaimsTooLarge, SessionExpired
from counterfoil.handle import new_session_id
from counterfoil.lifetime import access_end, earliest, has_passed, remaining, whole_second
from counterfoil.outcome import Opened
from counterfoil.session import StatusIndex
from counterfoil.strategies import hybrid, jwt
from counterfoil.strategies import session as plain

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from counterfoil.client import Client
    from counterfoil.handle import Handle
    from counterfoil.ports import Entropy, Keys, Store
    from counterfoil.session import Session
    from counterfoil.status_change import FeedRead
    from counterfoil.status_list import Block, Issuing

RESERVED_AT_ONCE: Final = 64
JTI_BYTES: Final = 16
_ROOM: Final = LARGEST_COOKIE - len("__Host-cf_") - 32  # beside the longest client_id
_SMALL: Final = 200  # claims with which every token has that room


class Furnished(NamedTuple):
    """A session that records what is about to be issued: until when, and under which index."""

    session: Session
    until: datetime
    entry: StatusIndex | None = None


@dataclass(slots=True)
class Pen:
    """Issues the credentials of one issuer."""

    issuer: str
    keys: Keys
    entropy: Entropy
    issuing: Issuing
    store: Store | None
    _block: Block | None = None
    _epoch: str | None = None

    def follow(self, read: FeedRead) -> None:
        """To be called with each read of the feed: indices of a former epoch are given out no more,
        nor those of a list that is kept no more, because a clock that is far ahead had it swept."""
        epoch, block = read.position.epoch, self._block
        is_kept = block is None or any(known.id == block.list.id for known in read.lists)
        if epoch != self._epoch or not is_kept:
            self._epoch, self._block = epoch, None

    async def furnish(self, session: Session, client: Client, *, now: datetime) -> Furnished:
        """What must be committed before a credential of this session may leave."""
        if not client.signs:
            return Furnished(session, session.expires_at)
        share = self.entropy(1)[0] / 255
        until = access_end(client.lifetime.access, now=now, share=share)
        until = earliest(until, whole_second(session.expires_at))
        if has_passed(until, now=now):
            raise SessionExpired  # within this second: a token would be dead on arrival
        if client.strategy == "jwt" or self.store is None:
            furnished = Furnished(session.with_access(until), until)
        else:
            index = await self._index(session, self.store, now=now)
            until = earliest(until, whole_second(index.until))
            session = session.with_index(index, now=now).with_access(until)
            furnished = Furnished(session, until, index)
        if client.carrier == "cookie":
            self._require_room(furnished, client, now=now)
        return furnished

    def _require_room(self, furnished: Furnished, client: Client, *, now: datetime) -> None:
        """Raises `ClaimsTooLarge` for claims too large for a cookie. Found out when the cookie
        is made, it would have cost the client the handle that the refresh spent."""
        if len(json.dumps(dict(furnished.session.claims))) <= _SMALL:
            return
        if len(self._credential(furnished, client, None, now=now).token) > _ROOM:
            raise ClaimsTooLarge(
                f"A token of {client.client_id} travels in a cookie, which has at most"
                f" {LARGEST_COOKIE} bytes."
            )

    def again(self, session: Session, client: Client, *, now: datetime) -> Furnished | None:
        """What may be issued once more without a commit: good no longer, and under no other index,
        than what was recorded when the handle was rotated. None when that is used up."""
        if not client.signs:
            return Furnished(session, session.expires_at)
        if session.access_until is None:
            return None
        longest = access_end(client.lifetime.access, now=now, share=0)
        until = earliest(session.access_until, longest, whole_second(session.expires_at))
        if has_passed(until, now=now):
            return None
        if client.strategy == "jwt":
            return Furnished(session, until)
        block = self._block
        entry = session.current_index(block.list.id if block is not None else None)
        if entry is None:
            return None
        return Furnished(session, earliest(until, whole_second(entry.until)), entry)

    def write(
        self, furnished: Furnished, client: Client, handle: Handle | None, *, now: datetime
    ) -> Opened:
        """The credential of a session whose record is committed."""
        session = furnished.session
        within, elsewhere = lags(session, client, now=now)
        return Opened(
            session=session,
            credential=self._credential(furnished, client, handle, now=now),
            effective_within=within,
            elsewhere_within=elsewhere,
        )

    def _credential(
        self, furnished: Furnished, client: Client, handle: Handle | None, *, now: datetime
    ) -> Credential:
        session, until, entry = furnished
        if handle is not None and not client.signs:
            return plain.issue(session, client, handle, now=now)
        token = jwt.issue(
            session,
            client,
            issuer=self.issuer,
            key=self.keys.signing_keys().active(client.algorithm),
            now=now,
            until=until,
            jti=new_session_id(self.entropy(JTI_BYTES)),
            status=hybrid.reference(self.issuer, entry) if entry else None,
        )
        return Credential(
            carrier=client.carrier,
            client_id=client.client_id,
            strategy=client.strategy,
            token=token,
            issued_at=now,
            expires_at=until,
            refresh_handle=handle.text if handle else None,
            refresh_expires_at=session.expires_at if handle else None,
        )

    async def _index(self, session: Session, store: Store, *, now: datetime) -> StatusIndex:
        """The session's index while claims and window are unchanged, otherwise a new one."""
        while True:
            block = self._block
            if block is None or not block.list.is_issuing(now=now):
                epoch = self._epoch
                self._block = await store.reserve(self.issuing, count=RESERVED_AT_ONCE, now=now)
                if epoch != self._epoch:
                    self._block = None
                continue
            if (kept := session.current_index(block.list.id)) is not None:
                return kept
            if (index := block.take()) is not None:
                return StatusIndex(
                    block.list.id, index, session.claims_version, block.list.dropped_at
                )
            self._block = None


def lags(session: Session, client: Client | None, *, now: datetime) -> tuple[timedelta, timedelta]:
    """How long credentials of this session can outlive a change acknowledged now: at Counterfoil
    verifiers, and elsewhere. A client no longer registered is counted as `jwt`."""
    elsewhere = remaining(session.access_until, now=now)
    if client is not None and client.strategy == "hybrid":
        return hybrid.lag(client), elsewhere
    if client is not None and client.strategy == "session":
        # None, unless its client was issued tokens before it became a `session` client.
        return max(plain.lag(), elsewhere), elsewhere
    return elsewhere, elsewhere


def longest_lags(client: Client) -> tuple[timedelta, timedelta]:
    """The most that `lags` can say of any session of this client, whatever was issued."""
    if client.strategy == "session":
        return plain.lag(), plain.lag()
    access = client.lifetime.access
    return (hybrid.lag(client) if client.strategy == "hybrid" else access), access
