"""Whether requests should be sent here: the store and the keys can be read, the store was not put
back from a copy, and nobody said stop.

A queue of passwords that is full does not count. A storm of sign-ins may not take the server away
from those who are signed in; sign-ins are answered 503 then, and everything else as ever.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from counterfoil.clock import SystemClock
from counterfoil.errors import (
    ConfigurationError,
    IssuerUnavailable,
    KeysStale,
    RestoreUndeclared,
    StoreUnavailable,
)
from counterfoil.feeds.witness import Witness
from counterfoil.threads import begun

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.ports import Keys, Store
    from counterfoil.status_change import Position

WITHIN: Final = 2.0  # seconds; a store that takes longer is none to send requests to
RETRY_AFTER: Final = timedelta(seconds=1)


class Readiness:
    """Looks when it is asked, in a thread of its own: a store that hangs must not hang this."""

    def __init__(self, store: Store, keys: Keys, *, answers_partly: Callable[[], bool]) -> None:
        self.is_draining = False
        self._answers_partly = answers_partly
        self._witness = Witness(store, keys)
        self._keys = keys
        self._position: Position | None = None
        self._looking: Future[None] | None = None
        self._held: list[Callable[[], None]] = []

    def drain(self) -> None:
        """From now on requests belong elsewhere; there is no way back."""
        self.is_draining = True

    def on_drained(self, answer: Callable[[], None]) -> None:
        """Has it called in the loop when the drain is over and nothing new is accepted: whoever
        holds requests answers them all then, and holds no more. It must be quick."""
        self._held.append(answer)

    def drained(self) -> None:
        """Ends what is held."""
        for answer in self._held:
            answer()

    async def require(self) -> None:
        """Raises `Unavailable` where requests should go elsewhere."""
        if self.is_draining:
            raise IssuerUnavailable("This server is stopping.", retry_after=RETRY_AFTER)
        looking = self._looking
        if looking is None or looking.done():
            looking = Future()
            begun(partial(self._look, looking), name="counterfoil-looks")
            self._looking = looking
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(looking)), WITHIN)
        except TimeoutError:
            raise StoreUnavailable(
                f"The store did not answer within {WITHIN:g} seconds.", retry_after=RETRY_AFTER
            ) from None

    def _read(self) -> None:
        try:
            read = self._witness.read(self._position, now=SystemClock().now())
        except RestoreUndeclared:
            raise
        except StoreUnavailable:
            # Of a cluster a part can be gone. No other node has it, so nobody is sent elsewhere.
            if not self._answers_partly():
                raise
        else:
            self._position = read.position

    def _look(self, looking: Future[None]) -> None:
        try:
            self._read()
            self._keys.public_keys()
            self._keys.handle_secrets()
        except ConfigurationError as why:
            looking.set_exception(KeysStale(why.detail, retry_after=RETRY_AFTER))
        except BaseException as why:  # noqa: BLE001 - whatever it is, somebody waits for it
            looking.set_exception(why)
        else:
            looking.set_result(None)
