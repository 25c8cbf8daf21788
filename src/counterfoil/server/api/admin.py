"""Calls for administrators: accounts, sessions, keys, clients, events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from counterfoil.client import Algorithm
from counterfoil.errors import Malformed
from counterfoil.events import Event
from counterfoil.integrations.fastapi import shapes as session_shapes
from counterfoil.integrations.fastapi.strict_route import StrictRoute
from counterfoil.keys import Purpose, SigningKeySet
from counterfoil.outcome import Changed
from counterfoil.ports import SessionQuery
from counterfoil.server import key_changes
from counterfoil.server.api import shapes, verifiers
from counterfoil.server.api.context import Administrator, Context, Parts
from counterfoil.server.api.document import SIGNED_IN, refusals
from counterfoil.server.tables.accounts import Account

router = APIRouter(
    prefix="/v1/admin",
    route_class=StrictRoute,
    responses=refusals(400, 401, 403, 413, 503),
    tags=["admin"],
)

Limit = Annotated[int, Query(ge=1, le=1000)]
Name = Annotated[str | None, Query(min_length=1, max_length=255)]


class AccountPage(BaseModel):
    accounts: list[shapes.AccountShape]
    next: str | None


class ListedSession(session_shapes.Device):
    subject: str
    address: str
    ended_at: session_shapes.Moment | None
    ended_because: str | None


class SessionPage(BaseModel):
    sessions: list[ListedSession]
    next: str | None


class KeyShape(BaseModel):
    kid: str
    algorithm: Algorithm
    purpose: Purpose
    state: str
    created_at: session_shapes.Moment
    published_at: session_shapes.Moment


class KeyList(BaseModel):
    keys: list[KeyShape]


class ClientList(BaseModel):
    clients: list[shapes.ClientShape]


class TrailLineShape(BaseModel):
    number: int
    kind: str
    at: session_shapes.Moment
    subject: str | None
    session_id: str | None
    client_id: str | None
    detail: dict[str, Any]


class Trail(BaseModel):
    events: list[TrailLineShape]
    next: int | None


@router.get("/accounts", openapi_extra=SIGNED_IN)
async def accounts(
    _: Administrator, parts: Parts, after: Name = None, limit: Limit = 100
) -> AccountPage:
    """Accounts, oldest first; `next` is the `after` of the page that follows."""
    page = await parts.accounts.rows.page(after=after, limit=limit)
    shown = [await _account(parts, account) for account in page]
    return AccountPage(accounts=shown, next=page[-1].subject if len(page) == limit else None)


@router.patch("/accounts/{subject}", responses=refusals(404), openapi_extra=SIGNED_IN)
async def change_account(
    subject: str, sent: shapes.AccountChange, asking: Administrator, parts: Parts
) -> shapes.ChangedAccount:
    """Give an account other roles, suspend or reinstate it."""
    if sent.roles is None and sent.state is None:
        raise Malformed("Send roles, state, or both.")
    if sent.state == "suspended" and subject == asking.subject:
        raise Malformed("Suspend another account: this one is yours.")
    await parts.accounts.account(subject)
    changed: Changed | None = None
    if sent.roles is not None:
        changed = await parts.accounts.set_roles(subject, sent.roles)
    if sent.state is not None:
        suspend = sent.state == "suspended"
        verb = parts.auth.suspend if suspend else parts.auth.reinstate
        changed = await verb(subject)
    account = await _account(parts, await parts.accounts.account(subject))
    return shapes.ChangedAccount.model_validate({**dict(account), **shapes.lag(changed)})


@router.get("/sessions", openapi_extra=SIGNED_IN)
async def sessions(
    asking: Administrator,
    parts: Parts,
    *,
    subject: Name = None,
    client_id: Name = None,
    before: Name = None,
    live: bool = True,
    limit: Limit = 100,
) -> SessionPage:
    """Sessions, newest first; `next` is the `before` of the page that follows."""
    live_at = parts.auth.clock.now() if live else None
    query = SessionQuery(
        subject=subject, client_id=client_id, live_at=live_at, before=before, limit=limit
    )
    page = await parts.auth.store.sessions(query)
    shown = []
    for each in page:
        device = session_shapes.device(
            each, parts.clients.get(each.client_id), current=asking.session_id
        ).model_dump()
        shown.append(
            ListedSession(
                **device,
                subject=each.subject,
                address=each.address,
                ended_at=each.ended_at,
                ended_because=each.ended_because,
            )
        )
    return SessionPage(sessions=shown, next=page[-1].id if len(page) == limit else None)


@router.delete(
    "/sessions/{session_id}",
    responses=refusals(404),
    response_model_exclude_none=True,
    openapi_extra=SIGNED_IN,
)
async def end_session(
    session_id: str,
    _: Administrator,
    parts: Parts,
    request: Request,
    *,
    wait: verifiers.Wait = False,
) -> verifiers.EndedShape:
    """End a session."""
    done = await parts.auth.revoke(session_id, because="revoked_by_administrator")
    return await verifiers.ended(done, parts, request, wait=wait)


@router.delete(
    "/sessions", responses=refusals(404), response_model_exclude_none=True, openapi_extra=SIGNED_IN
)
async def end_sessions(
    _: Administrator,
    parts: Parts,
    request: Request,
    *,
    subject: Name = None,
    client_id: Name = None,
    wait: verifiers.Wait = False,
) -> verifiers.EndedShape:
    """End all sessions of a subject, or of a client."""
    if (subject is None) == (client_id is None):
        raise Malformed("Name one of subject and client_id.")
    if client_id is not None:
        done = await parts.auth.revoke_client(client_id)
    else:
        await parts.accounts.account(subject or "")
        done = await parts.auth.revoke_all(subject or "", because="revoked_by_administrator")
    return await verifiers.ended(done, parts, request, wait=wait)


@router.get("/keys", openapi_extra=SIGNED_IN)
async def keys(_: Administrator, parts: Parts) -> KeyList:
    """Signing keys, without their secrets."""
    return _keys(parts.auth.keys.signing_keys())


@router.post("/keys/rotate", responses=refusals(409), openapi_extra=SIGNED_IN)
async def rotate(sent: shapes.Rotation, _: Administrator, parts: Parts) -> KeyList:
    """Sign with the next key from now on; tokens of the former stay good."""
    return _keys(await key_changes.rotate(parts.auth, sent.algorithm))


@router.post("/keys/{kid}/distrust", responses=refusals(404), openapi_extra=SIGNED_IN)
async def distrust(kid: str, _: Administrator, parts: Parts) -> KeyList:
    """Trust a key no longer: every token it signed is refused."""
    return _keys(await key_changes.distrust(parts.auth, kid))


@router.get("/clients", openapi_extra=SIGNED_IN)
async def clients(_: Administrator, parts: Parts) -> ClientList:
    """Registered clients."""
    return ClientList(clients=[shapes.client(each) for each in parts.clients.values()])


@router.get("/events", openapi_extra=SIGNED_IN)
async def events(
    _: Administrator,
    parts: Parts,
    subject: Name = None,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> Trail:
    """The trail, newest first; `next` is the `before` of the page that follows."""
    page = await parts.auth.store.trail(subject=subject, before=before, limit=limit)
    lines = [_line(line.number, line.event) for line in page]
    return Trail(events=lines, next=page[-1].number if len(page) == limit else None)


def _line(number: int, event: Event) -> TrailLineShape:
    return TrailLineShape(
        number=number,
        kind=event.kind,
        at=event.at,
        subject=event.subject,
        session_id=event.session_id,
        client_id=event.client_id,
        detail=dict(event.detail),
    )


def _keys(keys: SigningKeySet) -> KeyList:
    shown = [KeyShape.model_validate(key, from_attributes=True) for key in keys.describe()]
    return KeyList(keys=shown)


async def _account(parts: Context, account: Account) -> shapes.AccountShape:
    state = await parts.auth.subject(account.subject)
    return shapes.AccountShape(
        subject=account.subject,
        identifier=account.identifier,
        roles=list(account.roles),
        state="suspended" if state.is_suspended else "active",
        created_at=account.created_at,
    )
