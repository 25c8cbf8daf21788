"""Everything that is looked at, in order, and what is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from counterfoil.cli.doctor import (
    apart,
    configured,
    database,
    exposure,
    folder,
    keys,
    machine,
    outside,
    registered,
    running,
    shared,
)
from counterfoil.cli.doctor.configured import Setup
from counterfoil.cli.doctor.database import ReadOnlyRows
from counterfoil.cli.doctor.finding import Finding, Level, unseen, wrong
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.errors import CounterfoilError
from counterfoil.ports import SessionQuery
from counterfoil.server.sessions_moving import sessions_moved_from
from counterfoil.server.settings import Settings
from counterfoil.server.storing import address_of, sessions_address_of
from counterfoil.stores.statements.store import RowsStore

NEVER: Final = (
    "whether there are backups, and whether they can be restored",
    "the proxy's own configuration, and TLS beyond one handshake",
    "other verifiers, and the applications that use this issuer",
    "who else may become this user, or root",
)
_ORDER: Final[tuple[Level, ...]] = ("wrong", "warning", "ok", "unseen")


@dataclass(frozen=True, slots=True)
class Examination:
    """Findings, the gravest first."""

    findings: list[Finding]

    def of(self, level: Level) -> list[Finding]:
        return [each for each in self.findings if each.level == level]


def examine(place: Path | None, url: str | None) -> Examination:
    """A data folder and its issuer; with a URL and no folder, only that issuer from outside."""
    found = list(_from_outside(url) if url and place is None else _all(place, url))
    return Examination(sorted(found, key=lambda each: _ORDER.index(each.level)))


def _from_outside(url: str) -> Iterator[Finding]:
    yield from machine.findings()
    yield from outside.findings(url, must_answer=True)
    yield running.of_issuer(url)
    yield unseen("data-folder", "The data folder, its keys, clients and accounts: only --url.")


def _all(place: Path | None, url: str | None) -> Iterator[Finding]:
    yield from machine.findings()
    setup, found = configured.read(place)
    yield from found
    settings = setup.settings
    address = address_of(settings) if settings is not None else ""
    there = folder.is_there(setup.data, is_shared=bool(address))
    yield there
    if there.level != "ok":
        return
    yield from folder.findings(setup.data)
    elsewhere = _elsewhere(settings) if settings is not None else ""
    if settings is not None and address:
        yield from shared.findings(setup, settings, address, is_apart=bool(elsewhere))
    else:
        kept = _database(setup, is_apart=bool(elsewhere))
        yield from kept.findings
        yield from keys.findings(setup.data, in_use=kept.in_use, clients=kept.clients)
    if settings is not None and elsewhere:
        yield apart.finding(settings, elsewhere)
    answers = running.answers(setup)
    yield answers
    yield running.of_files(setup.data, now=datetime.now(UTC))
    if url is None and not setup.is_public and answers.level == "warning":
        yield unseen("issuer", "The issuer: its server does not answer.")
    elif issuer := url or setup.issuer:
        own = keys.published(setup.data)
        yield from outside.findings(issuer, own=own, must_answer=url is not None)
        yield running.of_issuer(issuer)
    else:
        yield unseen("issuer", "The issuer: its URL is not known. Name it with --url.")


def _elsewhere(settings: Settings) -> str:
    """Where sessions are kept, if apart from all else; empty where that cannot be known, which
    others say."""
    try:
        if settings.sessions_address or address_of(settings):
            return sessions_address_of(settings)
        with database.opened(settings.database) as connection:
            return sessions_moved_from(connection)
    except (CounterfoilError, sqlite3.Error, OSError):
        return ""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the database says about other things to look at. in_use: whether keys must be there;
    as long as that cannot be known, they must."""

    findings: list[Finding]
    clients: list[Client] = field(default_factory=list)
    in_use: bool = True


def _database(setup: Setup, *, is_apart: bool) -> _Kept:
    path = setup.data / "counterfoil.db"
    try:
        with database.opened(path) as connection:
            found = list(database.findings(path, connection))
            if ("database-current", "ok") in {(each.id, each.level) for each in found}:
                return _rows(setup, connection, found, is_apart=is_apart)
    except (sqlite3.Error, OSError) as why:
        reason = getattr(why, "strerror", None) or str(why)
        mend = "Make it readable to this user, or restore it from a backup."
        found = [wrong("database", f"{path.name} cannot be opened: {reason}.", mend)]
    skipped = unseen("clients", "Clients and accounts: the database is not as it should be.")
    return _Kept([*found, skipped])


def _rows(
    setup: Setup, connection: sqlite3.Connection, found: list[Finding], *, is_apart: bool
) -> _Kept:
    found.append(database.declared(setup.data / "counterfoil.db", connection))
    rows = ReadOnlyRows(connection)
    clients, unusable = registered.clients_of(rows, setup.lifetime)
    found += unusable or registered.of_clients(clients, setup.issuer, rows)
    found += registered.of_accounts(rows, is_apart=is_apart)
    found += exposure.findings(setup, connection)
    in_use = bool(sessions_moved_from(connection)) or bool(
        drive(RowsStore(rows).sessions(SessionQuery(limit=1)))
    )
    return _Kept(found, clients, in_use)
