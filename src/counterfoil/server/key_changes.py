"""Changes of the signing keys that an administrator makes: done, and in the trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.client import Algorithm
    from counterfoil.engine import Counterfoil
    from counterfoil.keys import SigningKeySet


async def rotate(auth: Counterfoil, algorithm: Algorithm) -> SigningKeySet:
    """Signs with the next key from now on. Raises `KeyTooNew`."""
    now = auth.clock.now()
    keys = await _updated(auth, lambda keys: keys.rotate(algorithm, now=now))
    await auth.store.note(Event(kind="key_rotated", at=now, detail={"algorithm": algorithm}))
    return keys


async def distrust(auth: Counterfoil, kid: str) -> SigningKeySet:
    """Trusts a key no longer; repeating it changes nothing. Raises `NotFound`."""
    now = auth.clock.now()
    keys = await _updated(auth, lambda keys: keys.distrust(kid, now=now))
    await auth.store.note(Event(kind="key_distrusted", at=now, detail={"kid": kid}))
    return keys


async def _updated(
    auth: Counterfoil, change: Callable[[SigningKeySet], SigningKeySet]
) -> SigningKeySet:
    """It may wait for the store, where that is kept across a network."""
    return await auth.store.aside(lambda: auth.keys.update(change))
