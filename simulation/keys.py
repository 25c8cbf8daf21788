"""The folder of keys that all nodes share, and signatures that cost nothing.

Key pairs are made once per process: what they are changes nothing that is looked at here.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from counterfoil import jws
from counterfoil.feeds import jwks
from counterfoil.handle import HandleSecrets
from counterfoil.keys import SigningKeySet
from simulation.start import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from counterfoil.keys import PublicKeySet
    from counterfoil.status_change import Position
    from simulation.loop import Loop

BEHIND: Final = 0.25  # seconds, as with `KeyFiles.public_keys`
SECRETS: Final = HandleSecrets({0: bytes(range(32))}, 0)


@cache
def first_keys() -> SigningKeySet:
    """What every scenario begins with."""
    return SigningKeySet.generate(now=START).with_purpose("status", now=START)


class KeyFolder:
    """Keys in files, as `KeyFiles` has them: what signs is read at once, what verifies is a moment
    behind. published: when each key joined the set (true time); those of the beginning always."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._set = self._before = first_keys()
        self._changed_at = float("-inf")
        self.published = {key.kid: float("-inf") for key in self._set.keys}
        self._reached: dict[str, Position] = {}

    def signing_keys(self) -> SigningKeySet:
        return self._set

    def public_keys(self) -> PublicKeySet:
        is_old = self._loop.now < self._changed_at + BEHIND
        return (self._before if is_old else self._set).public()

    def handle_secrets(self) -> HandleSecrets:
        return SECRETS

    def refresh(self) -> None:
        """There is nothing to do: each call looks at what there is."""

    def reach(self, position: Position) -> Position:
        reached = self._reached.setdefault(position.store, position)
        if reached.is_behind(position):
            reached = self._reached[position.store] = position
        return reached

    def update(self, change: Callable[[SigningKeySet], SigningKeySet]) -> SigningKeySet:
        changed = change(self._set)
        if changed is not self._set:
            self._before, self._set = self._set, changed
            self._changed_at = self._loop.now
            for key in changed.keys:
                self.published.setdefault(key.kid, self._loop.now)
        return changed


@contextmanager
def quick_signatures() -> Iterator[None]:
    """A signature is a digest of what it signs and of the key's public half, and one JWK Set is
    read once: some hundred times as quick, and nothing here tries to forge one."""
    with (
        patch.object(jws.PrivateMaterial, "signature", _digest),
        patch.object(jws.PublicMaterial, "verifies", _is_digest),
        patch.object(jwks, "_read", lru_cache(256)(jwks._read)),  # noqa: SLF001 - as it is
    ):
        yield


def _digest(key: jws.PrivateMaterial | jws.PublicMaterial, message: bytes) -> bytes:
    return hashlib.sha512(_name(key._key) + message).digest()  # noqa: SLF001 - as above


def _is_digest(key: jws.PublicMaterial, message: bytes, signature: bytes) -> bool:
    return signature == _digest(key, message)


def _name(key: Any) -> bytes:
    kept = _names.get(id(key))
    if kept is None:
        members = key.dict_value
        name = "".join(str(members.get(each)) for each in ("x", "y", "n")).encode()
        kept = _names[id(key)] = (key, name)
    return kept[1]


# By address, and so with the key itself, whose address is nobody else's then.
_names: dict[int, tuple[Any, bytes]] = {}
