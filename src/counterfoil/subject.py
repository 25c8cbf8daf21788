"""What the issuer keeps about a subject as a whole, and about a client: the versions that a commit
on one of their sessions expects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """version: one more with every commit that touches the subject or a session of theirs.

    epoch: moves when sign-ins that are under way must not succeed: all sessions revoked,
    suspended, password changed. claims_version: moves when the claims change. A subject that was
    never seen is at version 0.
    """

    subject: str
    version: int = 0
    epoch: int = 0
    claims_version: int = 0
    suspended_at: datetime | None = None

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None

    def moved(self) -> SubjectState:
        return replace(self, version=self.version + 1)

    def ended(self) -> SubjectState:
        return replace(self, version=self.version + 1, epoch=self.epoch + 1)

    def suspended(self, *, now: datetime) -> SubjectState:
        return replace(self.ended(), suspended_at=self.suspended_at or now)

    def reinstated(self) -> SubjectState:
        return replace(self.moved(), suspended_at=None)

    def with_changed_claims(self) -> SubjectState:
        return replace(self.moved(), claims_version=self.claims_version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientState:
    """version: moves when all sessions of the client are revoked; 0 for a client never seen."""

    client_id: str
    version: int = 0

    def ended(self) -> ClientState:
        return replace(self, version=self.version + 1)
