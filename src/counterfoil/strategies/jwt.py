"""`jwt`: the credential is a signed token, checked with public keys alone. Lag: what is left of
the longest-lived token that was issued."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from counterfoil.client import Algorithm, CarrierName, Client
from counterfoil.credential import Facts, OnToken
from counterfoil.lifetime import Lifetime, remaining
from counterfoil.token import StatusReference, TokenClaims
from counterfoil.token import issue as sign

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from counterfoil.client import StrategyName
    from counterfoil.keys import SigningKey
    from counterfoil.session import Session
    from counterfoil.token import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtStrategy:
    """Settings of an application that uses self-contained tokens."""

    audience: str
    client_id: str = ""
    carrier: CarrierName = "bearer"
    algorithm: Algorithm = "ES256"
    typ: str = "at+jwt"
    lifetime: Lifetime = field(default_factory=Lifetime)
    manage: bool = False

    def client(self) -> Client:
        return Client(
            client_id=self.client_id or self.audience,
            strategy="jwt",
            carrier=self.carrier,
            audience=self.audience,
            algorithm=self.algorithm,
            typ=self.typ,
            lifetime=self.lifetime,
            manage=self.manage,
        )


def lag(session: Session, *, now: datetime) -> timedelta:
    """Until the last token that was issued for this session has expired."""
    return remaining(session.access_until, now=now)


def issue(
    session: Session,
    client: Client,
    *,
    issuer: str,
    key: SigningKey,
    now: datetime,
    until: datetime,
    jti: str,
    status: StatusReference | None = None,
) -> str:
    """The signed token of a session, good until then."""
    claims = TokenClaims(
        iss=issuer,
        sub=session.subject,
        aud=(client.audience,),
        exp=until,
        iat=now,
        jti=jti,
        sid=session.id,
        client_id=client.client_id,
        auth_time=session.auth_time,
        claims=session.claims,
        status=status,
    )
    return sign(claims, key=key, typ=client.typ)


def facts(token: AccessToken, strategy: StrategyName, entry: tuple[str, int] | None) -> Facts:
    """What a token says whose signature, issuer, audience and time have been checked. entry: where
    its status stands, if it has one."""
    return Facts(
        subject=token.sub,
        session_id=token.sid,
        client_id=token.client_id,
        strategy=strategy,
        claims=token.claims,
        expires_at=token.exp,
        auth_time=token.auth_time,
        rests_on=(OnToken(token.kid, entry),),
    )
