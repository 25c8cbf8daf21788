"""Forgets, now and then, what nobody can ask for any more; in small bites, requests first."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final

from counterfoil.engine import Counterfoil
from counterfoil.errors import CounterfoilError, Unavailable
from counterfoil.server.composition import Server

SWEEP_EVERY: Final = timedelta(minutes=10)
BITE: Final = 100  # sessions in one transaction: others wait for it
PAUSE: Final = 0.05  # seconds after each: requests first
MOST_BITES: Final = 5000
_log = logging.getLogger("counterfoil.server")


async def sweep(server: Server) -> None:
    """Forgets, now and then, what nobody can ask for any more, where this process is the one of
    several that does."""
    if not server.sweeps:
        return
    auth = server.auth
    while True:
        try:
            await _sweep_store(auth)
            await server.accounts.attempts.sweep(now=auth.clock.now())
            await server.store.aside(lambda: _sweep_keys(server))
        except Unavailable as why:
            _log.warning("sweeping waits: %s", why.code)
        except CounterfoilError as why:
            _log.warning("sweeping failed: %s", why)
        await asyncio.sleep(SWEEP_EVERY.total_seconds())


async def _sweep_store(auth: Counterfoil) -> None:
    for _ in range(MOST_BITES):
        if not await auth.store.sweep(now=auth.clock.now(), limit=BITE):
            return
        await asyncio.sleep(PAUSE)


def _sweep_keys(server: Server) -> None:
    """Drops retired keys whose last tokens have expired."""
    now = server.auth.clock.now()
    longest = max((client.lifetime.access for client in server.clients.values()), default=None)
    if longest is None:
        return
    keep = longest + timedelta(minutes=5)
    kept = server.auth.keys.signing_keys()
    if kept.swept(now=now, keep=keep) != kept:
        server.auth.keys.update(lambda keys: keys.swept(now=now, keep=keep))
