"""`session`: the credential is the handle; every check reads the record. Lag: none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from counterfoil.client import CarrierName, Client
from counterfoil.credential import Credential, Facts, OnRecord
from counterfoil.errors import SubjectSuspended
from counterfoil.lifetime import NOTHING, Lifetime

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from counterfoil.handle import Handle
    from counterfoil.ports import Claims, Found
    from counterfoil.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStrategy:
    """Settings of an application that uses server-side sessions; by default one with cookies."""

    client_id: str = "app"
    carrier: CarrierName = "cookie"
    lifetime: Lifetime = field(default_factory=Lifetime)
    manage: bool = True

    def client(self) -> Client:
        return Client(
            client_id=self.client_id,
            strategy="session",
            carrier=self.carrier,
            lifetime=self.lifetime,
            manage=self.manage,
        )


def lag() -> timedelta:
    """A revocation shows at the next check."""
    return NOTHING


def issue(session: Session, client: Client, handle: Handle, *, now: datetime) -> Credential:
    return Credential(
        carrier=client.carrier,
        client_id=client.client_id,
        strategy="session",
        token=handle.text,
        issued_at=now,
        expires_at=session.expires_at,
    )


def facts(found: Found, claims: Claims) -> Facts:
    """What the record says now. Raises `SubjectSuspended`; whether the session is live is the
    caller's to ask first."""
    session, subject = found
    if subject.is_suspended:
        raise SubjectSuspended
    return Facts(
        subject=session.subject,
        session_id=session.id,
        client_id=session.client_id,
        strategy="session",
        claims=claims,
        expires_at=session.expires_at,
        auth_time=session.auth_time,
        refresh_due=session.claims_version < subject.claims_version,
        rests_on=(OnRecord(subject.claims_version, session.auth_time),),
    )
