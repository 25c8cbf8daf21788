"""What the server's own calls are sent and answer, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from counterfoil.client import Algorithm, CarrierName, StrategyName
from counterfoil.integrations.fastapi.shapes import ClientId, Moment, Sent, Text
from counterfoil.lifetime import seconds_up

if TYPE_CHECKING:
    from counterfoil.client import Client
    from counterfoil.outcome import Changed

Identifier = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]

Role = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$")]


class NewAccount(Sent):
    identifier: Identifier
    password: Text


class SignIn(Sent):
    client_id: ClientId
    identifier: Identifier
    password: Text


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


def lag(found: Changed | None) -> dict[str, int]:
    return {
        "effective_within_seconds": seconds_up(found.effective_within) if found else 0,
        "elsewhere_within_seconds": seconds_up(found.elsewhere_within) if found else 0,
    }


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
