"""What happened, as frozen values; written to the trail by the commit that made it happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from counterfoil.session import Session

EventKind = Literal[
    "session_opened",
    "session_refreshed",
    "session_stepped_up",
    "session_revoked",
    "refresh_repeated",  # a spent handle within its grace: a lost reply, a race, or a thief
    "refresh_reused",  # a spent handle after it: the family was ended
    "spent_introspected",  # a spent handle after it, which somebody asked about: nothing was ended
    "claims_changed",
    "subject_suspended",
    "subject_reinstated",
    "account_registered",
    "account_changed",
    "password_changed",
    "sign_in_refused",
    "client_refused",  # a program without the secret of the client that it named
    "client_registered",
    "client_changed",
    "client_secret_made",
    "client_secrets_revoked",
    "key_rotated",
    "key_distrusted",
    "store_restored",  # from a backup, and it was declared: every session was ended
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the trail. `detail` holds plain JSON values, never a credential."""

    kind: EventKind
    at: datetime
    subject: str | None = None
    session_id: str | None = None
    client_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def of_session(
    kind: EventKind, session: Session, now: datetime, detail: Mapping[str, Any]
) -> Event:
    """What happened to a session."""
    return Event(
        kind=kind,
        at=now,
        subject=session.subject,
        session_id=session.id,
        client_id=session.client_id,
        detail=detail,
    )
