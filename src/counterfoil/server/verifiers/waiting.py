"""Waiting until a revocation holds at every verifier: time alone proves that, and no list of them.

Whoever has not heard of it after max_staleness refuses by itself. Who has said meanwhile that it
has heard is told beside it, because people want to know.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.lifetime import NOTHING

if TYPE_CHECKING:
    from counterfoil.clock import Clock
    from counterfoil.integrations.issuer import Receive
    from counterfoil.outcome import Revoked
    from counterfoil.server.tables.verifiers import Followers, NamedVerifier
    from counterfoil.status_change import Position

MOST_WAITING: Final = 1_000


@dataclass(slots=True)
class Spread:
    """How far something has come that was committed before the first look. unconfirmed: as they
    were last seen."""

    confirmed: dict[tuple[str, str], NamedVerifier] = field(default_factory=dict)
    unconfirmed: dict[tuple[str, str], NamedVerifier] = field(default_factory=dict)
    _position: Position | None = None

    def look(self, found: Followers) -> None:
        """Takes in what is seen now. Who has confirmed once has confirmed for good; who has not,
        and is seen no more, stays unconfirmed."""
        position = self._position = self._position or found.position
        for each in found.named:
            key = each.client_id, each.process
            if key in self.confirmed:
                continue
            if each.has_come_to(position):
                self.unconfirmed.pop(key, None)
                self.confirmed[key] = each
            else:
                self.unconfirmed[key] = each


def after(revoked: Revoked, seconds: float) -> Revoked:
    """What is left of its bounds when so much time has gone by since it was acknowledged."""
    gone = timedelta(seconds=seconds)
    return replace(
        revoked,
        effective_within=max(NOTHING, revoked.effective_within - gone),
        elsewhere_within=max(NOTHING, revoked.elsewhere_within - gone),
    )


class Waits:
    """Requests that are held at this process until time has gone by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting = 0
        self._released = asyncio.Event()

    def release(self) -> None:
        """Has nobody wait any more, now or later: the server is to stop."""
        self._released.set()

    async def until(self, uptime: float, receive: Receive) -> None:
        """Returns then; before, where the asker goes away, the server is to stop, or too many
        wait."""
        if self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        ends = [asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(self._released.wait())]
        try:
            while (left := uptime - self._clock.uptime()) > 0 and not any(e.done() for e in ends):
                await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting -= 1
            for each in ends:
                each.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
