"""Private keys and handle secrets in the store's own database, for nodes that share no folder.

Whoever reads the database, or a backup of it, learns nothing from them: they are sealed under a
secret that each node is given apart.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from counterfoil.clock import SystemClock
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, KeysStale
from counterfoil.keys import SigningKeySet
from counterfoil.stores.key_files import (
    HANDLE_SECRETS,
    KEYS_MAX_AGE,
    SIGNING_KEYS,
    new_secrets,
    read_secrets,
)
from counterfoil.stores.witness_files import WitnessFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from os import PathLike

    from counterfoil.clock import Clock
    from counterfoil.handle import HandleSecrets
    from counterfoil.keys import PublicKeySet
    from counterfoil.status_change import Position
    from counterfoil.stores.rows import Reading, Rows, Transaction

SHORTEST_SECRET: Final = 32  # characters
_NONCE_BYTES: Final = 12
_VERSIONS: Final = "SELECT name, version FROM cf_keys"
_READ: Final = "SELECT version, sealed FROM cf_keys WHERE name = ?"
_WRITE: Final = (
    "INSERT INTO cf_keys (name, version, sealed) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
    " SET version = excluded.version, sealed = excluded.sealed"
)


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals with the first of several secrets, and opens with any: so that nodes can be given a new
    one, one after the other, before it is put first. AES-256-GCM; what it is goes into the seal."""

    _keys: tuple[AESGCM, ...] = field(repr=False)

    @classmethod
    def of(cls, secrets: Sequence[str]) -> Seal:
        """Raises `ConfigurationError` for a secret that could be guessed."""
        if not secrets or min(map(len, secrets)) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"Give each secret {SHORTEST_SECRET} characters or more, such as those of"
                " `openssl rand -base64 32`, one to a line."
            )
        return cls(tuple(AESGCM(_derived(secret)) for secret in secrets))

    @classmethod
    def in_file(cls, place: str | PathLike[str]) -> Seal:
        """The secrets of a file, one to a line. Raises `ConfigurationError`."""
        try:
            text = Path(place).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(f"Make {place} readable: it holds the secret.") from None
        return cls.of([line.strip() for line in text.splitlines() if line.strip()])

    def close(self, name: str, content: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._keys[0].encrypt(nonce, content.encode(), name.encode())

    def is_current(self, name: str, sealed: bytes) -> bool:
        """Whether the first secret opens it."""
        try:
            self._keys[0].decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except InvalidTag:
            return False
        return True

    def open(self, name: str, sealed: bytes) -> bytes:
        """Raises `ConfigurationError` for what was sealed under another secret, or as another
        thing."""
        for key in self._keys:
            try:
                return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
            except InvalidTag:
                continue
        raise ConfigurationError(
            f"Give every node the same secret file: the {name} in this database were sealed under"
            " another secret."
        )


@dataclass(slots=True)
class _Kept:
    """What a node knows of one of them."""

    keys: SigningKeySet | None = None
    secrets: HandleSecrets | None = None
    versions: dict[str, int] = field(default_factory=dict)
    seen_at: float = 0.0


class SealedKeys:
    """`rows` must not suspend, and its database has the table `cf_keys`. folder: this node's own,
    for what it notes of how far the store has come.

    What another node has changed is known here with the next read of the feed, five times a second.
    What cannot be read any more is remembered for `keys_max_age`; then `KeysStale` is raised.
    Raises `ConfigurationError` for keys that were sealed under another secret.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        seal: Seal,
        folder: str | PathLike[str],
        clock: Clock | None = None,
        keys_max_age: timedelta = KEYS_MAX_AGE,
    ) -> None:
        self._rows = rows
        self._seal = seal
        self._clock: Clock = clock or SystemClock()
        self._witness = WitnessFiles(Path(folder))
        self._max_age = keys_max_age.total_seconds()
        self._kept = _Kept()
        self._reading = threading.Lock()
        os.register_at_fork(after_in_child=self._forked)

    def signing_keys(self) -> SigningKeySet:
        """The keys as they were when they were last read."""
        keys = self._known().keys
        assert keys is not None  # noqa: S101 - `_known` has them
        return keys

    def public_keys(self) -> PublicKeySet:
        return self.signing_keys().public()

    def handle_secrets(self) -> HandleSecrets:
        """K, in all versions that are kept."""
        secrets = self._known().secrets
        assert secrets is not None  # noqa: S101 - as above
        return secrets

    def refresh(self) -> None:
        """Reads what has changed; makes what is not there yet. Raises `StoreUnavailable`."""
        with self._reading:
            began, kept, made = self._clock.uptime(), self._kept, None
            versions: dict[str, int] = dict(drive(self._rows.all(_VERSIONS)))
            if versions.keys() != {SIGNING_KEYS, HANDLE_SECRETS}:
                made = drive(self._rows.transaction(self._make))
                versions = dict(drive(self._rows.all(_VERSIONS)))
            if kept.keys is None:
                drive(self._rows.transaction(self._seal_anew))
                versions = dict(drive(self._rows.all(_VERSIONS)))
            if versions != kept.versions:
                _, content = drive(self._read(self._rows, SIGNING_KEYS))
                kept = _Kept(
                    SigningKeySet.from_json(content, kept.keys or made),
                    read_secrets(drive(self._read(self._rows, HANDLE_SECRETS))[1]),
                    versions,
                )
            kept.seen_at = began
            self._kept = kept

    def update(self, change: Callable[[SigningKeySet], SigningKeySet]) -> SigningKeySet:
        """Replaces the keys by what `change` makes of them, one node at a time. It waits for the
        database. An error that `change` raises is passed on, and nothing has changed."""
        self.refresh()

        async def replace(transaction: Transaction) -> SigningKeySet:
            await transaction.lock("keys")
            version, content = await self._read(transaction, SIGNING_KEYS)
            before = SigningKeySet.from_json(content, self._kept.keys)
            after = change(before)
            if after is not before:
                sealed = self._seal.close(SIGNING_KEYS, after.to_json())
                await transaction.run(_WRITE, (SIGNING_KEYS, version + 1, sealed))
            return after

        changed = drive(self._rows.transaction(replace))
        self.refresh()
        return changed

    def reach(self, position: Position) -> Position:
        """Notes how far a store has come, and answers how far it is known to have come."""
        return self._witness.reach(position)

    def reload(self) -> None:
        """As `refresh`."""
        self.refresh()

    def age(self) -> float:
        """Seconds since they could be read. NaN before the first time."""
        kept = self._kept
        return self._clock.uptime() - kept.seen_at if kept.keys is not None else float("nan")

    def _known(self) -> _Kept:
        if self._kept.keys is None:
            self.refresh()
        kept = self._kept
        if self._clock.uptime() - kept.seen_at >= self._max_age:
            raise KeysStale("The keys in the database could not be read for too long.")
        return kept

    async def _make(self, transaction: Transaction) -> SigningKeySet | None:
        """What is not there yet. Answers the keys, where it made them."""
        await transaction.lock("keys")
        known: dict[str, int] = dict(await transaction.all(_VERSIONS))
        made = None
        if SIGNING_KEYS not in known:
            made = SigningKeySet.generate(now=self._clock.now())
            sealed = self._seal.close(SIGNING_KEYS, made.to_json())
            await transaction.run(_WRITE, (SIGNING_KEYS, 1, sealed))
        if HANDLE_SECRETS not in known:
            sealed = self._seal.close(HANDLE_SECRETS, new_secrets())
            await transaction.run(_WRITE, (HANDLE_SECRETS, 1, sealed))
        return made

    async def _seal_anew(self, transaction: Transaction) -> None:
        """Once, as a node begins: so a secret that no node begins with any more opens nothing."""
        await transaction.lock("keys")
        for name in (SIGNING_KEYS, HANDLE_SECRETS):
            [(version, sealed)] = await transaction.all(_READ, (name,))
            if not self._seal.is_current(name, sealed):
                content = self._seal.open(name, sealed).decode()
                await transaction.run(_WRITE, (name, version + 1, self._seal.close(name, content)))

    async def _read(self, reading: Reading, name: str) -> tuple[int, bytes]:
        row = await reading.one(_READ, (name,))
        if row is None:
            raise ConfigurationError(f"Restore the database: its {name} are gone.")
        return row[0], self._seal.open(name, row[1])

    def _forked(self) -> None:
        self._reading = threading.Lock()


def _derived(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"counterfoil keys").derive(secret.encode())
