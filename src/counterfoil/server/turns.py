"""One at a time under each key.

Attempts on a password are counted before they are decided, so many right ones at once would look
like many failures. Each waits until the one before it is decided; guesses sent at once gain
nothing by it. Per process: others have at most one each under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from counterfoil.errors import Overloaded

MOST_WAITING: Final = 64
RETRY_AFTER: Final = timedelta(seconds=5)


@dataclass(slots=True)
class _Place:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    there: int = 0


class Turns:
    """Keeps a place for each key that somebody holds or waits for."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Waits for its turn. Raises `Overloaded` when too many wait already."""
        place = self._places.setdefault(key, _Place())
        if place.there > MOST_WAITING:
            raise Overloaded("Too many sign-ins to one account wait.", retry_after=RETRY_AFTER)
        place.there += 1
        try:
            async with place.lock:
                yield
        finally:
            place.there -= 1
            if place.there == 0:
                del self._places[key]
