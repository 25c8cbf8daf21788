"""Rows of accounts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from counterfoil.errors import IdentifierTaken
from counterfoil.stores.statements.records import is_storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from counterfoil.stores.rows import Rows, Transaction, Value

_COLUMNS = "subject, identifier, canonical, password, roles, created_at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_BEYOND = "\x7f"  # after every character that an identifier may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who signs in with an identifier and a password."""

    subject: str
    identifier: str = field(repr=False)
    canonical: str = field(repr=False)
    password: str = field(repr=False)
    roles: tuple[str, ...] = ()
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountRows:
    """Accounts, over whatever rows the store keeps."""

    rows: Rows

    async def by_canonical(self, canonical: str) -> Account | None:
        sql = f"SELECT {_COLUMNS} FROM accounts WHERE canonical = ?"
        row = await self.rows.one(sql, (canonical,))
        return _account(row) if row else None

    async def by_subject(self, subject: str) -> Account | None:
        """None for any text that is no subject, also where the database could not hold it."""
        if not is_storable(subject):
            return None
        sql = f"SELECT {_COLUMNS} FROM accounts WHERE subject = ?"
        row = await self.rows.one(sql, (subject,))
        return _account(row) if row else None

    async def page(self, *, after: str | None, limit: int) -> list[Account]:
        """Oldest first, after the subject `after`; nothing after one that is not there."""
        if not is_storable(after or ""):
            return []
        place = "(SELECT created_at, subject FROM accounts WHERE subject = ?)"
        where = "" if after is None else f"WHERE (created_at, subject) > {place}"
        values = () if after is None else (after,)
        sql = f"SELECT {_COLUMNS} FROM accounts {where} ORDER BY created_at, subject LIMIT ?"
        return [_account(row) for row in await self.rows.all(sql, (*values, limit))]

    async def search(self, prefix: str, *, after: str | None, limit: int) -> list[Account]:
        """Those whose identifier begins so, in its order, after the canonical `after`; by an index,
        so that a page costs what it holds."""
        if not is_storable(prefix) or not is_storable(after or ""):
            return []
        name = self._canonical
        wheres, values = [f"{name} >= ?", f"{name} < ?"], [prefix, prefix + _BEYOND]
        if after is not None:
            wheres.append(f"{name} > ?")
            values.append(after)
        where = " AND ".join(wheres)
        sql = f"SELECT {_COLUMNS} FROM accounts WHERE {where} ORDER BY {name} LIMIT ?"
        return [_account(row) for row in await self.rows.all(sql, (*values, limit))]

    async def identifiers(self, subjects: Iterable[str]) -> dict[str, str]:
        """What these sign in with, by subject; without those that have no account."""
        wanted = sorted(set(subjects))
        if not wanted:
            return {}
        places = ", ".join("?" * len(wanted))
        sql = f"SELECT subject, identifier FROM accounts WHERE subject IN ({places})"
        return {row[0]: row[1] for row in await self.rows.all(sql, wanted)}

    @property
    def _canonical(self) -> str:
        """The column in the order of its bytes, as the index keeps it."""
        return 'canonical COLLATE "C"' if self.rows.dialect == "postgres" else "canonical"

    async def add(self, account: Account) -> None:
        """Raises `IdentifierTaken`; two at once cannot both have it."""

        async def add(transaction: Transaction) -> bool:
            moment = stamp(account.created_at)
            added = await transaction.run(
                "INSERT INTO accounts (subject, identifier, canonical, password, roles,"
                " created_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (canonical) DO NOTHING",
                (
                    account.subject,
                    account.identifier,
                    account.canonical,
                    account.password,
                    json.dumps(account.roles),
                    moment,
                    moment,
                ),
            )
            return added == 1

        if not await self.rows.transaction(add):
            raise IdentifierTaken

    async def set_password(
        self, subject: str, password: str, *, at: datetime, former: str | None = None
    ) -> bool:
        """False where `former` is given and no longer stands: of two changes that rest on the same
        password, the second would undo the first."""
        sql = "UPDATE accounts SET password = ?, changed_at = ? WHERE subject = ?"
        values: list[Value] = [password, stamp(at), subject]
        if former is not None:
            sql, values = f"{sql} AND password = ?", [*values, former]

        async def update(transaction: Transaction) -> int:
            return await transaction.run(sql, values)

        return await self.rows.transaction(update) > 0

    async def replace_password(self, subject: str, former: str, password: str) -> None:
        """Replaces an encoded password by a stronger encoding of itself, if it still stands."""

        async def replace(transaction: Transaction) -> None:
            await transaction.run(
                "UPDATE accounts SET password = ? WHERE subject = ? AND password = ?",
                (password, subject, former),
            )

        await self.rows.transaction(replace)

    async def set_roles(self, subject: str, roles: Sequence[str], *, at: datetime) -> None:
        await self._set("roles", subject, json.dumps(list(roles)), at)

    async def _set(self, column: str, subject: str, value: str, at: datetime) -> None:
        async def update(transaction: Transaction) -> None:
            await transaction.run(
                f"UPDATE accounts SET {column} = ?, changed_at = ? WHERE subject = ?",
                (value, stamp(at), subject),
            )

        await self.rows.transaction(update)


def stamp(moment: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return (moment - _EPOCH) // MICROSECOND


def moment(stamped: int) -> datetime:
    return _EPOCH + stamped * MICROSECOND


def _account(row: Sequence[Any]) -> Account:
    subject, identifier, canonical, password, roles, created_at = row
    return Account(
        subject=subject,
        identifier=identifier,
        canonical=canonical,
        password=password,
        roles=tuple(json.loads(roles)),
        created_at=moment(created_at),
    )
