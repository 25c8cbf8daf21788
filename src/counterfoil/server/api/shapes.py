"""What is sent and answered, as the OpenAPI document shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from counterfoil.client import Algorithm, CarrierName, StrategyName
from counterfoil.lifetime import seconds_up

if TYPE_CHECKING:
    from counterfoil.client import Client
    from counterfoil.credential import Verified
    from counterfoil.outcome import Changed, Opened, Revoked
    from counterfoil.session import Session

Moment = Annotated[
    datetime,
    PlainSerializer(
        lambda moment: moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str
    ),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Identifier = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]

Role = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$")]


class Sent(BaseModel):
    """A body; unknown members are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class NewAccount(Sent):
    identifier: Identifier
    password: Text


class SignIn(Sent):
    client_id: Annotated[str, Field(min_length=1, max_length=64)]
    identifier: Identifier
    password: Text


class Refresh(Sent):
    refresh_handle: Text | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class StepUp(Sent):
    password: Text


class PasswordChange(Sent):
    current: Text
    new: Text


class AccountChange(Sent):
    """Other roles, another state, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": kind}}}
                for name, kind in (("roles", "array"), ("state", "string"))
            ]
        }
    )

    roles: Annotated[list[Role], Field(max_length=64)] | None = None
    state: Literal["active", "suspended"] | None = None


class Rotation(Sent):
    algorithm: Algorithm


class Registered(BaseModel):
    subject: str


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
    claims: dict[str, Any]
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


class AccountShape(BaseModel):
    subject: str
    identifier: str
    roles: list[str]
    state: Literal["active", "suspended"]
    created_at: Moment


class ChangedAccount(AccountShape):
    effective_within_seconds: int
    elsewhere_within_seconds: int


class ClientShape(BaseModel):
    client_id: str
    strategy: StrategyName
    carrier: CarrierName
    audience: str
    algorithm: Algorithm
    typ: str
    manage: bool
    idle_seconds: int
    absolute_seconds: int
    access_seconds: int
    grace_seconds: int
    max_staleness_seconds: int


def opened(found: Opened, client: Client) -> OpenedShape:
    bearer = client.carrier == "bearer"
    credential = found.credential
    return OpenedShape(
        session=SessionShape(
            id=found.session.id,
            subject=found.session.subject,
            client_id=found.session.client_id,
            strategy=client.strategy,
            created_at=found.session.created_at,
            expires_at=found.session.expires_at,
        ),
        credential=CredentialShape(
            type=client.carrier,
            expires_at=credential.expires_at,
            token=credential.token if bearer else None,
            refresh_handle=credential.refresh_handle if bearer else None,
            refresh_expires_at=credential.refresh_expires_at,
        ),
        effective_within_seconds=seconds_up(found.effective_within),
        elsewhere_within_seconds=seconds_up(found.elsewhere_within),
    )


def verified(found: Verified) -> VerifiedShape:
    return VerifiedShape(
        subject=found.subject,
        session_id=found.session_id,
        client_id=found.client_id,
        strategy=found.strategy,
        claims=dict(found.claims),
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


def lag(found: Changed | None) -> dict[str, int]:
    return {
        "effective_within_seconds": seconds_up(found.effective_within) if found else 0,
        "elsewhere_within_seconds": seconds_up(found.elsewhere_within) if found else 0,
    }


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


def client(found: Client) -> ClientShape:
    life = found.lifetime
    return ClientShape(
        client_id=found.client_id,
        strategy=found.strategy,
        carrier=found.carrier,
        audience=found.audience,
        algorithm=found.algorithm,
        typ=found.typ,
        manage=found.manage,
        idle_seconds=seconds_up(life.idle),
        absolute_seconds=seconds_up(life.absolute),
        access_seconds=seconds_up(life.access),
        grace_seconds=seconds_up(life.grace),
        max_staleness_seconds=seconds_up(found.max_staleness),
    )
