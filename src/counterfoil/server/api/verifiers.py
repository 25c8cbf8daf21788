"""Who follows the feed, for administrators; and revocations that are answered once they hold."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from counterfoil.errors import Unavailable
from counterfoil.integrations.fastapi import shapes
from counterfoil.integrations.fastapi.strict_route import StrictRoute
from counterfoil.outcome import Revoked
from counterfoil.server.api.context import Administrator, Context, Parts
from counterfoil.server.api.document import SIGNED_IN, refusals
from counterfoil.server.tables.verifiers import NamedVerifier
from counterfoil.server.verifiers.register import longest_staleness
from counterfoil.server.verifiers.waiting import Spread, after
from counterfoil.status_change import Position

router = APIRouter(
    prefix="/v1/admin",
    route_class=StrictRoute,
    responses=refusals(400, 401, 403, 413, 503),
    tags=["admin"],
)

Wait = Annotated[
    bool,
    Query(
        description="Answer when it holds at every verifier: after effective_within_seconds, at"
        " most the longest max_staleness of a client."
    ),
]


class PositionShape(BaseModel):
    epoch: str
    number: int


class VerifierShape(BaseModel):
    """`current`: it knows all that the feed tells now."""

    client_id: str
    process: str
    position: PositionShape | None
    last_seen_at: shapes.Moment
    connected_since: shapes.Moment
    waiting: bool
    current: bool


class VerifierList(BaseModel):
    verifiers: list[VerifierShape]
    anonymous: int
    position: PositionShape


class HeardShape(BaseModel):
    client_id: str
    process: str
    last_seen_at: shapes.Moment


class EndedShape(shapes.RevokedShape):
    """With `wait`: which verifiers with a name have said that they know of it, and which have not;
    of those, and of all others, `effective_within_seconds` is true all the same."""

    confirmed: list[HeardShape] | None = None
    unconfirmed: list[HeardShape] | None = None
    anonymous: int | None = None


class _Heard(NamedTuple):
    confirmed: list[HeardShape]
    unconfirmed: list[HeardShape]
    anonymous: int


@router.get("/verifiers", openapi_extra=SIGNED_IN)
async def verifiers(_: Administrator, parts: Parts) -> VerifierList:
    """Who follows the feed, and how far each has come."""
    found = await parts.verifiers.followers()
    return VerifierList(
        verifiers=[_verifier(each, found.position) for each in found.named],
        anonymous=found.anonymous,
        position=_position(found.position),
    )


async def ended(done: Revoked, parts: Context, request: Request, *, wait: bool) -> EndedShape:
    """The answer to a revocation, now or once it holds.

    It is committed, and whatever happens meanwhile the answer says so: where waiting ends early,
    with the time that is left; where the store is away, without who has heard.
    """
    if not wait:
        return EndedShape(**shapes.revoked(done).model_dump())
    clock = parts.auth.clock
    began = clock.uptime()
    span = min(done.effective_within, longest_staleness(parts.clients)).total_seconds()
    heard: _Heard | None = _Heard([], [], 0)
    if span:
        try:
            heard = await _heard(began + span, parts, request)
        except Unavailable:
            heard = None
            await parts.waits.until(began + span, request.receive)
    left = shapes.revoked(after(done, clock.uptime() - began)).model_dump()
    return EndedShape(**left) if heard is None else EndedShape(**left, **heard._asdict())


async def _heard(uptime: float, parts: Context, request: Request) -> _Heard:
    """Who has come by then to where the feed is now."""
    spread = Spread()
    spread.look(await parts.verifiers.followers())
    await parts.waits.until(uptime, request.receive)
    now = await parts.verifiers.followers()
    spread.look(now)
    return _Heard(
        [_told(each) for each in spread.confirmed.values()],
        [_told(each) for each in spread.unconfirmed.values()],
        now.anonymous,
    )


def _verifier(found: NamedVerifier, position: Position) -> VerifierShape:
    return VerifierShape(
        client_id=found.client_id,
        process=found.process,
        position=_position(found.position) if found.position is not None else None,
        last_seen_at=found.seen_at,
        connected_since=found.connected_since,
        waiting=found.waits,
        current=found.has_come_to(position),
    )


def _position(found: Position) -> PositionShape:
    return PositionShape(epoch=found.epoch, number=found.number)


def _told(found: NamedVerifier) -> HeardShape:
    return HeardShape(client_id=found.client_id, process=found.process, last_seen_at=found.seen_at)
