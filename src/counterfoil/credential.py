"""Credential goes out, Presented comes in unchecked, Verified is what a check found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from counterfoil.client import CarrierName, StrategyName

LARGEST_COOKIE: Final = 4096  # name and value; RFC 6265bis §5.6 lets browsers drop what is larger


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What is issued and travels.

    token: what the client presents. refresh_handle: what renews it, where it is another text than
    the token (`jwt` and `hybrid` with a store). Both are secrets and are left out of the repr.
    """

    carrier: CarrierName
    client_id: str
    strategy: StrategyName
    token: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    refresh_handle: str | None = field(default=None, repr=False)
    refresh_expires_at: datetime | None = None

    @property
    def signs(self) -> bool:
        """Whether the token is signed; otherwise it is the handle itself."""
        return self.strategy != "session"


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential's text as it arrived, unchecked, with the carrier that brought it.

    carrier: None where an application took the text out itself, and vouches for the way it came.
    client_id: the client whose cookie it was; None for a bearer header, which names none.
    """

    text: str = field(repr=False)
    carrier: Literal["cookie", "bearer"] | None = "bearer"
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class OnToken:
    """Good as long as its key is trusted, its time has not come, and its status, where it has one
    (list and index), says valid."""

    kid: str
    entry: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class OnRecord:
    """Good as long as the session's record is live, and says what it said: the subject's claims
    stand at that version, and nobody has stepped up since."""

    claims_version: int
    auth_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a credential says, built once; `Verified` adds when that was known to be true.

    rests_on: what has to go on holding for it to stay true, for connections that outlive the check.
    """

    subject: str
    session_id: str
    client_id: str
    strategy: StrategyName
    claims: Mapping[str, Any]
    expires_at: datetime
    auth_time: datetime
    refresh_due: bool = False
    rests_on: tuple[OnToken | OnRecord, ...] = field(default=(), repr=False, compare=False)


def copied(value: Any) -> Any:
    """A JSON value that shares nothing with this one that could be changed."""
    if isinstance(value, dict):
        return {name: copied(each) for name, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


class Verified:
    """The result of a check; only a check makes one.

    as_of: the moment (wall time) at which it was known to be true: now for `session`, the
    mirror's knowledge for `hybrid`, the time of issue for `jwt`. refresh_due: privileges changed
    since the handle was issued, so replace the handle now (a new cookie).
    """

    __slots__ = ("as_of", "facts")

    def __init__(self, facts: Facts, as_of: datetime) -> None:
        self.facts = facts
        self.as_of = as_of

    @property
    def subject(self) -> str:
        return self.facts.subject

    @property
    def session_id(self) -> str:
        return self.facts.session_id

    @property
    def client_id(self) -> str:
        return self.facts.client_id

    @property
    def strategy(self) -> StrategyName:
        return self.facts.strategy

    @property
    def claims(self) -> dict[str, Any]:
        """A copy: what an application does to it changes no later check."""
        return {name: copied(value) for name, value in self.facts.claims.items()}

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.facts.claims.get("roles", ()))

    @property
    def expires_at(self) -> datetime:
        return self.facts.expires_at

    @property
    def auth_time(self) -> datetime:
        return self.facts.auth_time

    @property
    def refresh_due(self) -> bool:
        return self.facts.refresh_due

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Verified):
            return NotImplemented
        return (self.facts, self.as_of) == (other.facts, other.as_of)

    def __hash__(self) -> int:
        return hash((self.facts.session_id, self.as_of))

    def __repr__(self) -> str:
        return f"Verified({self.facts!r}, as_of={self.as_of!r})"
