"""Rows of registered clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from counterfoil.carriers.cookie import CookieReader
from counterfoil.client import Client
from counterfoil.lifetime import Lifetime
from counterfoil.server.tables.accounts import MICROSECOND, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from counterfoil.stores.rows import Rows, Transaction

_COLUMNS = (
    "client_id, strategy, carrier, audience, algorithm, typ, max_staleness,"
    " idle, absolute, access, grace, manage"
)


@dataclass(frozen=True, slots=True)
class ClientRows:
    """Clients, over whatever rows the store keeps; `default` is the lifetime of those without."""

    rows: Rows
    default: Lifetime

    async def clients(self) -> dict[str, Client]:
        sql = f"SELECT {_COLUMNS} FROM registered_clients ORDER BY created_at, client_id"
        return {row[0]: self._client(row) for row in await self.rows.all(sql, ())}

    async def add(self, client: Client, *, at: datetime, own_lifetime: bool) -> bool:
        """False when the client_id is taken. own_lifetime: keep the lifetimes that the client has
        now, rather than follow the server's default. Raises `ConfigurationError` where its cookie
        would have the name of another client's."""
        lifetimes = _spans(client, own_lifetime=own_lifetime)

        async def add(transaction: Transaction) -> bool:
            await transaction.lock("registered clients")
            sql = f"SELECT {_COLUMNS} FROM registered_clients"
            known = [self._client(row) for row in await transaction.all(sql, ())]
            if client.client_id in {each.client_id for each in known}:
                return False
            CookieReader([*known, client])
            await transaction.run(
                f"INSERT INTO registered_clients ({_COLUMNS}, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    client.client_id,
                    client.strategy,
                    client.carrier,
                    client.audience,
                    client.algorithm,
                    client.typ,
                    client.max_staleness // MICROSECOND,
                    *lifetimes,
                    int(client.manage),
                    stamp(at),
                ),
            )
            return True

        return await self.rows.transaction(add)

    async def change(self, client: Client, *, own_lifetime: bool) -> bool:
        """Its lifetimes, max_staleness and whether it may manage; False where there is none of its
        client_id. own_lifetime: as for `add`."""
        spans = _spans(client, own_lifetime=own_lifetime)

        async def update(transaction: Transaction) -> int:
            return await transaction.run(
                "UPDATE registered_clients SET max_staleness = ?, idle = ?, absolute = ?,"
                " access = ?, grace = ?, manage = ? WHERE client_id = ?",
                (
                    client.max_staleness // MICROSECOND,
                    *spans,
                    int(client.manage),
                    client.client_id,
                ),
            )

        return await self.rows.transaction(update) > 0

    async def with_own_lifetime(self) -> set[str]:
        """Those that do not follow the server's default."""
        sql = "SELECT client_id FROM registered_clients WHERE access IS NOT NULL"
        return {row[0] for row in await self.rows.all(sql, ())}

    async def set_max_staleness(self, client: Client) -> None:
        """Kept in the row, not only set: every process on this store promises by it."""

        async def update(transaction: Transaction) -> None:
            await transaction.run(
                "UPDATE registered_clients SET max_staleness = ? WHERE client_id = ?",
                (client.max_staleness // MICROSECOND, client.client_id),
            )

        await self.rows.transaction(update)

    def _client(self, row: Sequence[Any]) -> Client:
        (client_id, strategy, carrier, audience, algorithm, typ, staleness, *spans, manage) = row
        names = ("idle", "absolute", "access", "grace")
        own = {
            name: span * MICROSECOND if span is not None else getattr(self.default, name)
            for name, span in zip(names, spans, strict=True)
        }
        return Client(
            client_id=client_id,
            strategy=strategy,
            carrier=carrier,
            audience=audience,
            algorithm=algorithm,
            typ=typ,
            lifetime=Lifetime(**own),
            max_staleness=staleness * MICROSECOND,
            manage=bool(manage),
        )


def _spans(client: Client, *, own_lifetime: bool) -> list[int | None]:
    """The four lifetimes as they are kept: none where the client follows the server's."""
    life = client.lifetime
    lives = (life.idle, life.absolute, life.access, life.grace)
    return [span // MICROSECOND if own_lifetime else None for span in lives]
