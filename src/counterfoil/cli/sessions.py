"""`counterfoil sessions`: who is signed in where, and ending it."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from typing import Annotated, Any

import typer

from counterfoil.cli import spreading
from counterfoil.cli.data import DataFolder, at
from counterfoil.cli.options import IDS, AsJson, Data, Limit
from counterfoil.cli.output import tell, tell_json, tell_table
from counterfoil.cli.progress import counting
from counterfoil.cli.spreading import Committed, Hearing
from counterfoil.cli.words import bounds, counted, relative, stamp
from counterfoil.errors import ConfigurationError, NotFound
from counterfoil.outcome import Revoked
from counterfoil.ports import SessionQuery
from counterfoil.session import Session

commands = typer.Typer(help="Sessions of every client; works beside a running server.")

BECAUSE = "revoked_by_administrator"

Id = Annotated[str, typer.Argument(metavar="ID", help="A session's id, as `list` shows it.")]
Subject = Annotated[str | None, typer.Option("--subject", help="Sessions of this subject.")]
Identifier = Annotated[str | None, typer.Option("--identifier", help="Sessions of this account.")]
ClientId = Annotated[str | None, typer.Option("--client", help="Sessions of this client.")]
All = Annotated[bool, typer.Option("--all", help="Ended and expired ones too, while kept.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Return when no verifier accepts them, and show who knows.")
]
Before = Annotated[
    str | None, typer.Option("--before", metavar="ID", help="Go on after this session.")
]


@commands.command("list")
def listing(
    *,
    subject: Subject = None,
    identifier: Identifier = None,
    client: ClientId = None,
    all_: All = False,
    before: Before = None,
    limit: Limit = 100,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List sessions, newest first: those that are live."""

    async def work(folder: DataFolder) -> tuple[list[dict[str, Any]], datetime]:
        now = folder.clock.now()
        query = SessionQuery(
            subject=await _subject(folder, subject, identifier),
            client_id=client,
            live_at=None if all_ else now,
            before=before,
            limit=limit,
        )
        page = await folder.auth.store.sessions(query)
        return [await _described(folder, session, now) for session in page], now

    page, now = at(data, work)
    if as_json:
        tell_json({"sessions": page, "next": page[-1]["id"] if len(page) == limit else None})
        return
    lines = [
        (
            each["id"],
            each["identifier"] or each["subject"],
            each["client_id"],
            each["device"] or "-",
            relative(each["created_at"], now=now),
            relative(each["last_seen_at"], now=now),
            _state(each, now),
        )
        for each in page
    ]
    tell_table(("ID", "ACCOUNT", "CLIENT", "DEVICE", "OPENED", "LAST SEEN", "STATE"), lines)


@commands.command(context_settings=IDS)
def show(session_id: Id, *, data: Data = None, as_json: AsJson = False) -> None:
    """Show one session, live or ended."""

    async def work(folder: DataFolder) -> tuple[dict[str, Any], datetime]:
        now = folder.clock.now()
        return await _described(folder, await _found(folder, session_id), now), now

    found, now = at(data, work)
    if as_json:
        tell_json(found)
        return
    for name, value in found.items():
        told = f"{stamp(value)} ({relative(value, now=now)})" if _is_time(value) else value
        tell(f"{name:<14} {'-' if told in (None, '') else told}")


@commands.command(context_settings=IDS)
def revoke(
    session_id: Annotated[str | None, typer.Argument(metavar="ID", help="One session.")] = None,
    *,
    subject: Subject = None,
    identifier: Identifier = None,
    client: ClientId = None,
    wait: Wait = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """End sessions: one by its id, all of an account, or all of a client."""
    asked = [name for name in (session_id, subject, identifier, client) if name is not None]
    if len(asked) != 1:
        raise ConfigurationError("Name one of ID, --subject, --identifier and --client.")

    async def work(folder: DataFolder) -> Committed:
        if session_id is not None:
            revoked = await _revoke_one(folder, session_id)
        elif client is not None:
            revoked = await folder.auth.revoke_client(client, progress=progress)
        else:
            whose = await _subject(folder, subject, identifier)
            revoked = await folder.auth.revoke_all(whose or "", because=BECAUSE)
        return Committed(revoked, folder.clock.uptime(), folder.clock.now())

    # Of a client it goes on until no session is live, and shows how far it is.
    counts = counting(f"Ending the sessions of {client}", "ended") if client else nullcontext()
    with counts as progress:
        done = at(data, work)
    heard = spreading.wait(data, done, quietly=as_json) if wait else None
    _tell(done.revoked, heard, one=session_id is not None, as_json=as_json)


def _tell(revoked: Revoked, heard: Hearing | None, *, one: bool, as_json: bool) -> None:
    told = bounds(revoked) if heard is None else heard.bounds
    if as_json:
        left = revoked if heard is None else heard.revoked
        tell_json(
            {
                "revoked": left.count,
                "effective_within_seconds": left.effective_within,
                "elsewhere_within_seconds": left.elsewhere_within,
                "ended_at": left.ended_at,
                **({} if heard is None else heard.described()),
            }
        )
    elif revoked.count:
        tell(f"Ended {counted(revoked.count, 'session')}: {told}.")
    elif one and revoked.ended_at is not None:
        tell(f"Ended nothing: it had ended at {stamp(revoked.ended_at)} ({told}).")
    else:
        tell(f"Ended nothing: no session was live ({told}).")


async def _revoke_one(folder: DataFolder, session_id: str) -> Revoked:
    await _found(folder, session_id)
    return await folder.auth.revoke(session_id, because=BECAUSE)


async def _found(folder: DataFolder, session_id: str) -> Session:
    try:
        return await folder.auth.session(session_id)
    except NotFound:
        raise NotFound("There is no session of this id.") from None


async def _subject(folder: DataFolder, subject: str | None, identifier: str | None) -> str | None:
    """The subject that is meant, if one is. Raises `NotFound` for one that was never seen."""
    if subject is not None and identifier is not None:
        raise ConfigurationError("Name one of --subject and --identifier.")
    if identifier is not None:
        return (await folder.accounts.by_identifier(identifier)).subject
    if subject is None or await folder.accounts.rows.by_subject(subject) is not None:
        return subject
    if (await folder.auth.subject(subject)).version == 0:
        raise NotFound("There is no account and no session of this subject.")
    return subject


async def _described(folder: DataFolder, session: Session, now: datetime) -> dict[str, Any]:
    account = await folder.accounts.rows.by_subject(session.subject)
    client = folder.auth.clients.get(session.client_id)
    return {
        "id": session.id,
        "subject": session.subject,
        "identifier": account.identifier if account else None,
        "client_id": session.client_id,
        "strategy": client.strategy if client else None,
        "device": session.device,
        "address": session.address,
        "live": session.is_live(now=now),
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
        "ended_at": session.ended_at,
        "ended_because": session.ended_because,
    }


def _state(each: dict[str, Any], now: datetime) -> str:
    if each["ended_at"] is not None:
        return f"ended {relative(each['ended_at'], now=now)} ({each['ended_because']})"
    expiry = relative(each["expires_at"], now=now)
    return f"live, expires {expiry}" if each["live"] else f"expired {expiry}"


def _is_time(value: object) -> bool:
    return isinstance(value, datetime)
