"""What the engine's verbs answer, each with how soon it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterfoil.lifetime import NOTHING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from counterfoil.credential import Credential
    from counterfoil.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session was opened or refreshed, and this is its credential.

    effective_within: how long the credential could outlive a revocation at Counterfoil verifiers,
    from its acknowledgement; elsewhere_within: at verifiers that know only JWTs.
    """

    session: Session
    credential: Credential
    effective_within: timedelta
    elsewhere_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """`count` sessions were ended by this call, for good, and no check that begins after
    `effective_within` accepts their credentials.

    count 0 says that this call ended nothing; ended_at, when the session had ended before, revoked
    or expired.
    """

    count: int
    effective_within: timedelta = NOTHING
    elsewhere_within: timedelta = NOTHING
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The subject changed; `count` live sessions of theirs feel it within `effective_within`."""

    count: int
    effective_within: timedelta = NOTHING
    elsewhere_within: timedelta = NOTHING
