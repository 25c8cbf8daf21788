"""Rows of client secrets: digests alone, at most two of one client.

A secret is 256 random bits, so nobody can try them all and one SHA-256 is enough; a slow hash is
for what people think up.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from counterfoil.errors import ClientRefused, Malformed
from counterfoil.server.tables.accounts import moment, stamp
from counterfoil.stores.statements.records import is_storable

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.stores.rows import Rows, Transaction

PREFIX: Final = "cfs_"  # so that scanners of sources and logs can find one that leaked
MOST: Final = 2  # the current one, and the former while programs change over


@dataclass(frozen=True, slots=True)
class ClientSecrets:
    """Secrets of clients, over whatever rows the store keeps."""

    rows: Rows

    async def add(self, client_id: str, *, at: datetime) -> str:
        """A new secret, which nobody can be told again. Raises `Malformed` when the client has
        two already."""
        secret = PREFIX + secrets.token_urlsafe(32)

        async def add(transaction: Transaction) -> None:
            await transaction.lock(f"secrets {client_id}")
            sql = "SELECT count(*) FROM client_secrets WHERE client_id = ?"
            row = await transaction.one(sql, (client_id,))
            if row is not None and row[0] >= MOST:
                raise Malformed("This client has two secrets: revoke the former one first.")
            await transaction.run(
                "INSERT INTO client_secrets (digest, client_id, created_at) VALUES (?, ?, ?)",
                (_digest(secret), client_id, stamp(at)),
            )

        await self.rows.transaction(add)
        return secret

    async def require(self, client_id: str, secret: str) -> None:
        """Raises `ClientRefused` for what is no secret of this client now."""
        sql = "SELECT digest FROM client_secrets WHERE client_id = ?"
        kept = await self.rows.all(sql, (client_id,)) if is_storable(client_id) else []
        given = _digest(secret)
        if not any(hmac.compare_digest(row[0], given) for row in kept):
            raise ClientRefused

    async def made_at(self) -> dict[str, list[datetime]]:
        """When each client's secrets were made, oldest first; by client_id."""
        found: dict[str, list[datetime]] = {}
        sql = "SELECT client_id, created_at FROM client_secrets ORDER BY created_at"
        for client_id, created_at in await self.rows.all(sql, ()):
            found.setdefault(client_id, []).append(moment(created_at))
        return found

    async def revoke(self, client_id: str, *, newest: bool) -> int:
        """Ends the client's secrets, the newest only if asked to; answers how many."""

        async def revoke(transaction: Transaction) -> int:
            await transaction.lock(f"secrets {client_id}")
            sql = (
                "SELECT digest FROM client_secrets WHERE client_id = ? ORDER BY created_at, digest"
            )
            kept = await transaction.all(sql, (client_id,))
            ended = kept if newest else kept[:-1]
            for row in ended:
                await transaction.run("DELETE FROM client_secrets WHERE digest = ?", (row[0],))
            return len(ended)

        return await self.rows.transaction(revoke)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
