"""A `Verified` without a check, for tests of what an application does with one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from counterfoil.claims import normalised, require_subject
from counterfoil.credential import Facts, Verified
from counterfoil.testing.client import listed
from counterfoil.testing.clock import START

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from counterfoil.client import StrategyName


def verified(
    subject: str = "ann",
    *,
    roles: Sequence[str] = (),
    claims: Mapping[str, Any] | None = None,
    client_id: str = "test",
    session_id: str = "test-session",
    strategy: StrategyName = "session",
    as_of: datetime = START,
    auth_time: datetime | None = None,
    expires_at: datetime | None = None,
) -> Verified:
    """What a check of that subject's credential would have found.

    roles: become the claim `roles`, over what `claims` says. auth_time: by default `as_of`;
    expires_at: an hour after it. Raises `Malformed` and `ConfigurationError` for a subject, roles
    and claims that no credential could have.
    """
    said = {**(claims or {}), **({"roles": listed(roles)} if roles else {})}
    facts = Facts(
        subject=require_subject(subject),
        session_id=session_id,
        client_id=client_id,
        strategy=strategy,
        claims=normalised(said),
        expires_at=expires_at or as_of + timedelta(hours=1),
        auth_time=auth_time or as_of,
    )
    return Verified(facts, as_of)
