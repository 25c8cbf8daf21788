"""Endings that take longer than one waits for an answer: all sessions of a client, in batches.

They go on in the process that was asked, whoever looks on. What is left is read from the store, so
that whichever process is asked later can tell.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from counterfoil.ports import SessionQuery

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.engine import Counterfoil
    from counterfoil.outcome import Revoked

SOON: Final = 2.0  # seconds; what is over by then is answered at once


@dataclass(slots=True)
class _Ending:
    task: asyncio.Task[Revoked]
    done: int = 0


@dataclass(slots=True)
class ClientEndings:
    """Those of this process, the last of each client."""

    auth: Counterfoil
    _endings: dict[str, _Ending] = field(default_factory=dict)

    async def end(self, client_id: str) -> Revoked | None:
        """Ends all sessions of the client; None where that takes longer, and goes on. Raises as
        `revoke_client` does, if it fails soon."""
        ending = self._endings.get(client_id)
        if ending is None or ending.task.done():
            ending = _Ending(asyncio.create_task(self._revoke(client_id)))
            self._endings[client_id] = ending
        await asyncio.wait({ending.task}, timeout=SOON)
        return ending.task.result() if ending.task.done() else None

    def done(self, client_id: str) -> int | None:
        """How many were ended so far, where this process does it, or did."""
        ending = self._endings.get(client_id)
        return None if ending is None else ending.done

    def has_failed(self, client_id: str) -> bool:
        """Whether it was broken off here."""
        ending = self._endings.get(client_id)
        if ending is None or not ending.task.done():
            return False
        return ending.task.cancelled() or ending.task.exception() is not None

    async def is_over(self, client_id: str, *, began: datetime) -> bool:
        """Whether no session is live that was opened before it began."""
        now = self.auth.clock.now()
        query = SessionQuery(client_id=client_id, live_at=now, opened_before=began, limit=1)
        return not await self.auth.store.sessions(query)

    async def close(self) -> None:
        """Breaks off what is under way: the server is to stop."""
        for ending in self._endings.values():
            ending.task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await ending.task

    async def _revoke(self, client_id: str) -> Revoked:
        def progress(done: int) -> None:
            self._endings[client_id].done = done

        return await self.auth.revoke_client(client_id, progress=progress)
