"""What the calls about sessions are sent and answer, as the OpenAPI document shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from counterfoil.client import StrategyName
from counterfoil.lifetime import seconds_up

if TYPE_CHECKING:
    from counterfoil.client import Client
    from counterfoil.credential import Verified
    from counterfoil.outcome import Opened, Revoked
    from counterfoil.session import Session

Moment = Annotated[
    datetime,
    PlainSerializer(
        lambda moment: moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str
    ),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
ClientId = Annotated[str, Field(min_length=1, max_length=64)]


class Sent(BaseModel):
    """A body; unknown members are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Refresh(Sent):
    refresh_handle: Text | None = None
    client_id: ClientId | None = None


class SessionShape(BaseModel):
    id: str
    subject: str
    client_id: str
    strategy: StrategyName
    created_at: Moment
    expires_at: Moment


class CredentialShape(BaseModel):
    """`token` and `refresh_handle` are of bearer clients only; cookies carry the others."""

    type: Literal["bearer", "cookie"]
    expires_at: Moment
    token: str | None = None
    refresh_handle: str | None = None
    refresh_expires_at: Moment | None = None


class OpenedShape(BaseModel):
    session: SessionShape
    credential: CredentialShape
    effective_within_seconds: int
    elsewhere_within_seconds: int


class VerifiedShape(BaseModel):
    subject: str
    session_id: str
    client_id: str
    strategy: StrategyName
    audience: str
    claims: dict[str, Any]
    auth_time: Moment
    as_of: Moment
    expires_at: Moment


class RevokedShape(BaseModel):
    revoked: int
    effective_within_seconds: int
    elsewhere_within_seconds: int
    ended_at: Moment | None = None


class Device(BaseModel):
    id: str
    current: bool
    client_id: str
    strategy: StrategyName
    device: str
    created_at: Moment
    last_seen_at: Moment
    expires_at: Moment


class Devices(BaseModel):
    sessions: list[Device]


def opened(found: Opened) -> OpenedShape:
    session, credential = found.session, found.credential
    bearer = credential.carrier == "bearer"
    return OpenedShape(
        session=SessionShape(
            id=session.id,
            subject=session.subject,
            client_id=session.client_id,
            strategy=credential.strategy,
            created_at=session.created_at,
            expires_at=session.expires_at,
        ),
        credential=CredentialShape(
            type=credential.carrier,
            expires_at=credential.expires_at,
            token=credential.token if bearer else None,
            refresh_handle=credential.refresh_handle if bearer else None,
            refresh_expires_at=credential.refresh_expires_at,
        ),
        effective_within_seconds=seconds_up(found.effective_within),
        elsewhere_within_seconds=seconds_up(found.elsewhere_within),
    )


def verified(found: Verified, client: Client) -> VerifiedShape:
    return VerifiedShape(
        subject=found.subject,
        session_id=found.session_id,
        client_id=found.client_id,
        strategy=found.strategy,
        audience=client.audience,
        claims=found.claims,
        auth_time=found.auth_time,
        as_of=found.as_of,
        expires_at=found.expires_at,
    )


def revoked(found: Revoked) -> RevokedShape:
    return RevokedShape(
        revoked=found.count,
        ended_at=found.ended_at,
        effective_within_seconds=seconds_up(found.effective_within),
        elsewhere_within_seconds=seconds_up(found.elsewhere_within),
    )


def device(found: Session, client: Client | None, *, current: str | None) -> Device:
    return Device(
        id=found.id,
        current=found.id == current,
        client_id=found.client_id,
        strategy=client.strategy if client else "jwt",
        device=found.device,
        created_at=found.created_at,
        last_seen_at=found.last_seen_at,
        expires_at=found.expires_at,
    )
