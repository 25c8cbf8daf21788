"""Which sessions a page of the console lists: as many as it shows, never more read than so many.

The store's own query goes by indexes. What it cannot ask for is looked for in what it gives, newest
first, and after so many the page says how far it has looked and leads on from there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from counterfoil.client import StrategyName
from counterfoil.lifetime import has_passed
from counterfoil.ports import SessionQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.client import Client
    from counterfoil.ports import Store
    from counterfoil.session import Session

SHOWN: Final = 50
MOST_READ: Final = 5_000
_BITE: Final = 250  # read at once; requests of others come between
STRATEGIES: Final = get_args(StrategyName)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = 24 * _HOUR
NEWER: Final = {"hour": _HOUR, "day": _DAY, "week": 7 * _DAY}
OLDER: Final = {"over-day": _DAY, "over-week": 7 * _DAY, "over-month": 30 * _DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for; an empty text asks for nothing. address: how it begins. opened: a name in
    NEWER or OLDER."""

    subject: str = ""
    client_id: str = ""
    strategy: str = ""
    device: str = ""
    address: str = ""
    opened: str = ""
    ended: bool = False
    before: str = ""

    @property
    def reads_more(self) -> bool:
        """Whether some of what is read may not be shown."""
        return bool((self.strategy and not self.client_id) or self.device or self.address)

    def query(self, *, now: datetime) -> SessionQuery:
        """As far as the store can ask."""
        older = OLDER.get(self.opened)
        return SessionQuery(
            subject=self.subject or None,
            client_id=self.client_id or None,
            live_at=None if self.ended else now,
            opened_before=None if older is None else now - older,
            before=self.before or None,
            limit=_BITE if self.reads_more else SHOWN,
        )

    def accepts(self, session: Session, clients: Mapping[str, Client]) -> bool:
        """Whether the rest is so too."""
        client = clients.get(session.client_id)
        strategy = client.strategy if client is not None else ""
        return (
            self.strategy in ("", strategy)
            and self.device.casefold() in session.device.casefold()
            and session.address.casefold().startswith(self.address.casefold())
        )


class Listed(NamedTuple):
    """sessions: at most SHOWN. next: go on after this one, if there may be more. read: how many
    were looked at; is_cut: that was the most, before so many to show were found."""

    sessions: list[Session]
    next: str | None
    read: int
    is_cut: bool = False


async def listed(
    store: Store, wanted: Wanted, clients: Mapping[str, Client], *, now: datetime
) -> Listed:
    """A page of what is wanted."""
    found: list[Session] = []
    query, read = wanted.query(now=now), 0
    newer = NEWER.get(wanted.opened)
    while read < MOST_READ:
        batch = await store.sessions(query)
        for session in batch:
            if newer is not None and not has_passed(now - newer, now=session.created_at):
                return Listed(found, None, read)
            read += 1
            if wanted.accepts(session, clients):
                found.append(session)
                if len(found) == SHOWN:
                    return Listed(found, session.id, read)
        if len(batch) < query.limit:
            return Listed(found, None, read)
        query = replace(query, before=batch[-1].id)
        await asyncio.sleep(0)
    return Listed(found, query.before, read, is_cut=True)
